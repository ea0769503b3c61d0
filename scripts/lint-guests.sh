#!/usr/bin/env bash
# Lints what of the guests exists only for WebAssembly. The Debian route has no
# clippy of its own compiler and is left out.
set -euo pipefail
cd "$(dirname "$0")/.."

setup=$(scripts/toolchain.sh --env)
eval "$setup"
if [ "$GUEST_ROUTE" != rustup ]; then
    echo "lint: guests are built by the $GUEST_ROUTE route; their WebAssembly parts are not linted" >&2
    exit 0
fi
export CARGO_TARGET_DIR=target/guests/lint
cargo clippy --locked --profile guest --target wasm32-wasip2 -p guest-memory -p guest-policy -p guest-fastpath -- -D warnings
cargo clippy --locked --profile guest --target wasm32-wasip2 -p test-guests --examples -- -D warnings
