#!/bin/sh
# Leaves two processes in sessions of their own, one of them with the standard
# output open, and answers as it should. Fallback: none; the processes are ended.
. "${0%/*}/lib/answer.sh"
read_request
setsid nohup tail -n0 -f "$0" </dev/null 2>/dev/null &
setsid nohup tail -n0 -f "$0" </dev/null >/dev/null 2>&1 &
answer allow
