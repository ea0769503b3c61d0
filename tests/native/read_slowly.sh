#!/bin/sh
# Reads the request in small pieces with pauses, then answers as it should and
# says how many bytes it has read. Fallback: none.
. "${0%/*}/lib/answer.sh"
export LC_ALL=C
request=
while piece=$(dd bs=8192 count=1 2>/dev/null) && [ -n "$piece" ]; do
    request=$request$piece
    sleep 0.02
done
answer allow "read ${#request} bytes"
