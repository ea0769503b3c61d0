#!/bin/sh
# Leaves a process that runs away: it starts its successor in a session of its
# own and ends, 500 times. Answers as it should. Fallback: none; it is caught.
if [ "$1" = run ]; then
    [ "$2" -le 0 ] || setsid "$0" run $(($2 - 1)) &
    exit
fi
. "${0%/*}/lib/answer.sh"
read_request
"$0" run 500 2>/dev/null &
answer allow
