#!/usr/bin/env bash
# Licences, duplicates, sources and advisories of every dependency.
# cargo-deny is installed under target/tools where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1

if ! command -v cargo-deny >/dev/null; then
    PATH=$PWD/target/tools/bin:$PATH
    command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny --version "$version" --root target/tools
fi
cargo deny --locked check --hide-inclusion-graph bans licenses sources
# The advisory database is fetched; where it cannot be, that is said and not hidden.
if ! cargo deny --locked check advisories; then
    if [ -n "${CAVRA_REQUIRE_ADVISORIES:-}" ] || [ -d "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" ] &&
        [ -n "$(find "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" -name '*.md' -print -quit 2>/dev/null)" ]; then
        exit 1
    fi
    echo "deny: the advisory database could not be fetched; advisories were NOT checked" >&2
fi
