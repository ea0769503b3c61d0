#!/bin/sh
# Answers about `notes/today.md` without reading the request. Fallback: none.
. "${0%/*}/lib/answer.sh"
exec </dev/null
request='{"action_type":"read_file","target":"notes/today.md","policy_pack":"cavra-ai-agent-baseline"}'
answer allow
