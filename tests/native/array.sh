#!/bin/sh
# Answers with an array around the decision. Fallback: output_invalid.
. "${0%/*}/lib/answer.sh"
read_request
printf '[%s]\n' "$(answer allow)"
