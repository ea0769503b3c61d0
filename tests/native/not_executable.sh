#!/bin/sh
# May not be executed. Fallback: missing_runtime.
