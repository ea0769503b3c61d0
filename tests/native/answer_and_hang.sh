#!/bin/sh
# The right decision at once, but never ends. Fallback: timeout_wall_clock.
. "${0%/*}/lib/answer.sh"
read_request
answer allow
exec tail -n0 -f "$0" >/dev/null
