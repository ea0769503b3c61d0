#!/usr/bin/env bash
# Builds the guests for wasm32-wasip2 by the route that toolchain.sh finds:
# target/modules/{reference,fastpath}.wasm, which the host embeds, and the
# misbehaving ones of the tests and the tour in target/modules/misbehaving/.
set -euo pipefail
cd "$(dirname "$0")/.."

setup=$(scripts/toolchain.sh --env)
eval "$setup"
# One folder a route: they differ in compiler and library.
out=target/guests/$GUEST_ROUTE
export RUSTFLAGS=$GUEST_RUSTFLAGS CARGO_TARGET_DIR=$out
# Incremental compilation gives other code, and with it other digests and fuel figures.
export CARGO_INCREMENTAL=0

guest() {
    local command=$1
    shift
    # shellcheck disable=SC2086 # the flags are a list
    cargo "$command" --quiet --locked --profile guest --target wasm32-wasip2 $GUEST_CARGO_FLAGS "$@"
}
# Copied only when it changed, so that nothing is built again for nothing.
put() { cmp -s "$1" "$2" || cp "$1" "$2"; }

# The crates are ordinary libraries, which the tests use natively; only here
# they become components.
guest rustc -p guest-policy --lib --crate-type cdylib
guest rustc -p guest-fastpath --lib --crate-type cdylib
guest build -p test-guests --examples

built=$out/wasm32-wasip2/guest
mkdir -p target/modules/misbehaving
put "$built/guest_policy.wasm" target/modules/reference.wasm
put "$built/guest_fastpath.wasm" target/modules/fastpath.wasm
for guest in "$built"/examples/*.wasm; do
    name=$(basename "$guest")
    # Cargo leaves a second copy of each with a hash in its name.
    case $name in *-????????????????.wasm) continue ;; esac
    put "$guest" "target/modules/misbehaving/$name"
done
# What figures depend on.
echo "$GUEST_ROUTE" > target/modules/route
echo "modules: built by the $GUEST_ROUTE route in target/modules" >&2
