#!/bin/sh
# Answers about another target than was asked. Fallback: output_invalid (by the pilot).
. "${0%/*}/lib/answer.sh"
read_request
answer allow | sed 's/"target":"[^"]*"/"target":"somewhere\/else"/'
