#!/bin/sh
# Decides with a word that is no verdict. Fallback: output_invalid.
. "${0%/*}/lib/answer.sh"
read_request
answer perhaps
