#!/usr/bin/env bash
# Puts together what is shipped: dist/bin, dist/modules, dist/policies. The argument is
# the profile that the binary was built with.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:?which profile: release or dist}

mkdir -p dist/bin dist/modules
# A running binary cannot be overwritten, but it can be replaced.
install -m 755 "target/$profile/cavra" dist/bin/.cavra.new
mv dist/bin/.cavra.new dist/bin/cavra
install -m 644 target/modules/reference.wasm target/modules/fastpath.wasm dist/modules/
rm -rf dist/policies
cp -r host/policies dist/policies

# The binary carries the modules beside it, or it was built before they were.
carried=$(dist/bin/cavra trust builtin)
for module in reference fastpath; do
    sum=$(sha256sum "dist/modules/$module.wasm" | cut -d ' ' -f 1)
    if ! grep -qF "$sum" <<<"$carried"; then
        echo "dist/bin/cavra does not carry dist/modules/$module.wasm; build it again" >&2
        exit 1
    fi
done
