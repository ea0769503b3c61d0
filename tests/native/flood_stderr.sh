#!/bin/sh
# Writes 4 MiB to its standard error, then answers as it should. Fallback: none.
. "${0%/*}/lib/answer.sh"
read_request
yes 'nobody reads this' | head -c 4194304 >&2
answer allow
