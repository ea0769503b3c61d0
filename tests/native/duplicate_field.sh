#!/bin/sh
# Gives two verdicts in one object. Fallback: output_invalid.
. "${0%/*}/lib/answer.sh"
read_request
answer allow | sed 's/^{/{"decision":"block",/'
