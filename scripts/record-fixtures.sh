#!/usr/bin/env bash
# Records tests/fixtures/replay anew, with dist/bin/cavra: what its requests are decided
# by its pack in three modes. To be run where decisions are meant to change.
set -euo pipefail
cd "$(dirname "$0")/.."

cavra=$PWD/dist/bin/cavra
here=tests/fixtures/replay
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CAVRA_EVIDENCE_DIR=$scratch/log CAVRA_EVIDENCE_KEY=$scratch/key CAVRA_CACHE_DIR=off
export CAVRA_POLICY_DIR=$here/packs CAVRA_GO_RUNTIME_REGISTRY=$here/registry.json

for mode in enforce shadow disabled; do
    "$cavra" evaluate - --mode $mode --runtime-path builtin:fastpath --policy-path auto \
        < $here/requests.jsonl > "$scratch/$mode"
done
cat "$scratch"/log/segment-*.jsonl > $here/records.jsonl
"$cavra" policy compile --policy-pack harbor-web > $here/policies/harbor-web.json
"$cavra" replay $here/records.jsonl --check
