#!/bin/sh
# Has a NUL character in a string. Fallback: output_invalid.
. "${0%/*}/lib/answer.sh"
read_request
answer allow 'a\u0000b'
