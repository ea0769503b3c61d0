#!/bin/sh
# Forks 30 processes, each in a session of its own, each the child of the one
# before, and hangs. Fallback: timeout_wall_clock.
[ "$1" = again ] || set -- again 30
[ "$2" -le 0 ] || setsid "$0" again $(($2 - 1)) &
exec tail -n0 -f "$0" >/dev/null
