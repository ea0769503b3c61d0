#!/bin/sh
# Answers for another policy pack than was asked. Fallback: output_invalid (by the pilot).
. "${0%/*}/lib/answer.sh"
read_request
answer allow | sed 's/"policy_pack":"[^"]*"/"policy_pack":"another-pack"/'
