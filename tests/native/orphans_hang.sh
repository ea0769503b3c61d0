#!/bin/sh
# Leaves processes in sessions of their own, children of parents that have ended,
# deaf to every signal that can be ignored, and hangs. Fallback: timeout_wall_clock.
trap '' HUP INT QUIT TERM
exec >/dev/null
for _ in 1 2 3; do
    setsid sh -c 'setsid tail -n0 -f "$1" & tail -n0 -f "$1"' sh "$0" &
    (setsid tail -n0 -f "$0" &)
done
exec tail -n0 -f "$0"
