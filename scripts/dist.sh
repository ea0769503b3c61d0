#!/usr/bin/env bash
# Puts together what is shipped: dist/bin, dist/modules, dist/policies.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p dist/bin dist/modules
# A running binary cannot be overwritten, but it can be replaced.
install -m 755 target/release/cavra dist/bin/.cavra.new
mv dist/bin/.cavra.new dist/bin/cavra
install -m 644 target/modules/reference.wasm target/modules/fastpath.wasm dist/modules/
rm -rf dist/policies
cp -r host/policies dist/policies
