#!/bin/sh
# Well formed, but decides otherwise than the reference. Fallback: parity_mismatch.
. "${0%/*}/lib/answer.sh"
read_request
answer block
