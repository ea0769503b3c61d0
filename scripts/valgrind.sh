#!/usr/bin/env bash
# Installs valgrind where it is missing: a test counts instructions with it.
set -euo pipefail

command -v valgrind >/dev/null && exit 0
fail() { printf 'valgrind: error: %s\n' "$*" >&2; exit 1; }
command -v apt-get >/dev/null || fail "it is missing and there is no apt-get; install valgrind by hand"
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "needs root for: $*; run it as root"; fi
}
as_root apt-get update -qq >&2
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends valgrind >&2 ||
    fail "could not install it; run \`apt-get install valgrind\` to see why"
