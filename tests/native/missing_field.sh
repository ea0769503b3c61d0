#!/bin/sh
# Leaves out the severity. Fallback: output_invalid.
. "${0%/*}/lib/answer.sh"
read_request
answer allow | sed 's/"severity":"low",//'
