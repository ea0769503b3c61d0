#!/usr/bin/env bash
# Asks a running service thousands of generated questions, right and wrong ones, and
# holds every answer to its OpenAPI document; then a service with tokens, with a wrong
# one, which must answer nothing but 401 and 403.
#
#   scripts/schemathesis.sh [REQUESTS]     at least so many requests each; default: 5000
#
# Needs Python 3.10 or later with venv, and the Python package index once.
set -euo pipefail
cd "$(dirname "$0")/.."

LEAST=${1:-5000}
TWO_THIRDS=$((LEAST * 2 / 3 + 1))
TENTH=$((LEAST / 10 + 1))
VERSION=4.32.5
VENV=target/schemathesis
OUT=target/schemathesis-report
CAVRA=dist/bin/cavra

if ! "$VENV/bin/schemathesis" --version 2>/dev/null | grep -qF "$VERSION"; then
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet "schemathesis==$VERSION"
fi

root=$PWD
mkdir -p "$OUT"
service=
stop() {
    if [ -n "$service" ]; then
        kill "$service" 2>/dev/null || true
        wait "$service" 2>/dev/null || true
    fi
    service=
}
trap stop EXIT

# Starts a service with these flags more, and finds out where it listens.
start() {
    "$CAVRA" serve --addr 127.0.0.1:0 --mode enforce --runtime-path builtin:fastpath --policy-path auto \
        --state-dir "$root/$OUT/state" --log-level off "$@" >"$OUT/service.out" &
    service=$!
    url=
    for _ in $(seq 300); do
        url=$(sed -n 's/^listening on //p' "$OUT/service.out")
        [ -n "$url" ] && return
        kill -0 "$service" || { echo "the service has ended" >&2; exit 1; }
        sleep 0.1
    done
    echo "the service does not listen" >&2
    exit 1
}

# Asks it: where the report goes, at least how many requests, how many of them a route that
# takes something is asked at most, what else schemathesis is told. Routes that take nothing
# have few questions to ask: nearly all requests are evaluations, one at a time and in
# batches, or rollbacks, where only these are asked.
# One worker: with two, Python's parser was seen to fail ("AST constructor recursion depth
# mismatch"), and they were no faster.
ask() {
    local report=$1 least=$2 each=$3
    shift 3
    (cd "$OUT" && "$root/$VENV/bin/schemathesis" run "$@" \
        --phases examples,coverage,fuzzing --mode all --max-examples "$each" \
        --workers 1 --seed 1 --suppress-health-check all --warnings off \
        --request-timeout 60 --report json --report-json-path "$report")
    # It still is what it was.
    kill -0 "$service" || { echo "the service has ended" >&2; exit 1; }
    "$VENV/bin/python" - "$OUT/$report" "$least" <<'PYTHON'
import json, sys
asked, least = json.load(open(sys.argv[1]))["test_cases"]["generated"], int(sys.argv[2])
print(f"{asked} requests")
sys.exit(asked < least)
PYTHON
}

start
curl --silent --fail "$url/openapi.json" >"$OUT/openapi.json"
# A rollback is no fault; it only makes the rest less interesting. It has a run of its own.
rollback=/runtime/go-pilot/rollback
ask report.json "$LEAST" "$TWO_THIRDS" "$url/openapi.json" --checks all --exclude-path "$rollback"
ask rollback.json "$TENTH" "$TENTH" "$url/openapi.json" --checks all --include-path "$rollback"
stop
rm -rf "$OUT/state"

rm -f "$OUT/tokens.toml"
"$CAVRA" token create --role read --id nobody --tokens "$OUT/tokens.toml" >/dev/null
cat >"$OUT/refused.py" <<'PYTHON'
import schemathesis


@schemathesis.check
def refused(ctx, response, case):
    assert response.status_code in (401, 403), f"{response.status_code} with a wrong token"
PYTHON
start --tokens "$OUT/tokens.toml"
export SCHEMATHESIS_HOOKS=refused PYTHONPATH=$root/$OUT
ask refused.json "$LEAST" "$TWO_THIRDS" openapi.json --url "$url" --checks refused --header "Authorization: Bearer cavra_nobody_wrong"
stop
