#!/bin/sh
# Tries to kill its parent, then answers as it should. Fallback: none where the
# kernel forbids the signal (Linux 6.12 and later), else native_failed.
. "${0%/*}/lib/answer.sh"
kill -KILL $PPID 2>/dev/null
read_request
answer allow
