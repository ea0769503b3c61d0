#!/bin/sh
# Nests 20,000 arrays in a field that nobody knows. Fallback: output_invalid.
. "${0%/*}/lib/answer.sh"
read_request
nested=$(head -c 20000 /dev/zero | tr '\0' '[')$(head -c 20000 /dev/zero | tr '\0' ']')
answer allow | sed 's/^{//' | { printf '{"extra":%s,' "$nested"; cat; }
