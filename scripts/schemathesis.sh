#!/usr/bin/env bash
# Asks a running service thousands of generated questions, right and wrong ones, and
# holds every answer to its OpenAPI document.
#
#   scripts/schemathesis.sh [REQUESTS]     at least so many requests; default: 5000
#
# Needs Python 3.10 or later with venv, and the Python package index once.
set -euo pipefail
cd "$(dirname "$0")/.."

LEAST=${1:-5000}
VERSION=4.32.5
VENV=target/schemathesis
OUT=target/schemathesis-report
CAVRA=dist/bin/cavra

if ! "$VENV/bin/schemathesis" --version 2>/dev/null | grep -qF "$VERSION"; then
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet "schemathesis==$VERSION"
fi

mkdir -p "$OUT"
log="$OUT/service.out"
"$CAVRA" serve --addr 127.0.0.1:0 --mode enforce --runtime-path builtin:fastpath --policy-path auto >"$log" &
service=$!
trap 'kill "$service" 2>/dev/null || true; wait "$service" 2>/dev/null || true' EXIT

url=
for _ in $(seq 300); do
    url=$(sed -n 's/^listening on //p' "$log")
    [ -n "$url" ] && break
    kill -0 "$service" || { echo "the service has ended" >&2; exit 1; }
    sleep 0.1
done

# Routes that take nothing have few questions to ask; nearly all requests are evaluations,
# one at a time and in batches.
root=$PWD
cd "$OUT" # where it leaves what it remembers
"$root/$VENV/bin/schemathesis" run "$url/openapi.json" \
    --checks all --phases examples,coverage,fuzzing --mode all --max-examples $((LEAST * 2 / 3)) \
    --workers 2 --seed 1 --suppress-health-check all --warnings off \
    --request-timeout 60 --report json --report-json-path report.json
cd "$root"

# It still is what it was.
kill -0 "$service" || { echo "the service has ended" >&2; exit 1; }
"$VENV/bin/python" - "$OUT/report.json" "$LEAST" <<'PYTHON'
import json, sys
asked, least = json.load(open(sys.argv[1]))["test_cases"]["generated"], int(sys.argv[2])
print(f"{asked} requests")
sys.exit(asked < least)
PYTHON
