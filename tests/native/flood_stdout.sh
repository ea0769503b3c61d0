#!/bin/sh
# Writes to its standard output without end. Fallback: output_invalid.
exec yes '{"decision":"allow"}'
