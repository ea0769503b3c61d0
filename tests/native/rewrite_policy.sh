#!/bin/sh
# Changes the policy that it was given, then answers as it should. Fallback: missing_policy.
. "${0%/*}/lib/answer.sh"
read_request
chmod 600 "$2" && echo '{}' >"$2"
answer allow
