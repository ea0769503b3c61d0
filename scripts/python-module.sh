#!/usr/bin/env bash
# Builds the example of a module in Python: target/modules/examples/python.wasm, from
# examples/python-module with componentize-py, in target/tools/componentize-py. Does nothing
# where neither has changed. Needs Python 3.10 or later with venv, and the Python package
# index once.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.25.1
VENV=target/tools/componentize-py
FROM=examples/python-module
OUT=target/modules/examples

installed=$("$VENV/bin/componentize-py" --version 2>/dev/null || true)
if [ "$installed" != "componentize-py $VERSION" ]; then
    mkdir -p "$(dirname "$VENV")"
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet "componentize-py==$VERSION"
fi

made_from=$({ echo "$VERSION"; cat "$0" wit/enforcement.wit "$FROM"/*.py; } | sha256sum)
[ "$made_from" = "$(cat "$OUT/python.from" 2>/dev/null || true)" ] && [ -f "$OUT/python.wasm" ] && exit 0
mkdir -p "$OUT"
# In a place of its own: another call may be at the same, and half a module is none.
scratch=$(mktemp -d "$OUT/python.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# A copy: the build leaves compiled files beside its sources.
mkdir "$scratch/source"
cp "$FROM"/*.py "$scratch/source"
"$VENV/bin/componentize-py" --wit-path wit --world policy-module \
    componentize --python-path "$scratch/source" --output "$scratch/python.wasm" module >&2
mv "$scratch/python.wasm" "$OUT/python.wasm"
echo "$made_from" >"$OUT/python.from"
