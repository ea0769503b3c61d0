#!/bin/sh
# The right decision, then killed by a signal. Fallback: native_failed.
. "${0%/*}/lib/answer.sh"
read_request
answer allow
kill -KILL $$
