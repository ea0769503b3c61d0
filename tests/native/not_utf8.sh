#!/bin/sh
# Has a byte in a string that is not UTF-8. Fallback: output_invalid.
. "${0%/*}/lib/answer.sh"
read_request
answer allow "$(printf '\377')"
