#!/usr/bin/env bash
# A registry for the tests, which start servers of their own with it: the program of Debian's
# package docker-registry, in target/tools/registry where it is not installed. The package is
# unpacked and not installed, because installing it starts a server for everybody.
set -euo pipefail
cd "$(dirname "$0")/.."

PLACE=target/tools/registry
command -v docker-registry >/dev/null && exit 0
[ -x "$PLACE/usr/bin/docker-registry" ] && exit 0
fail() { printf 'registry: error: %s\n' "$*" >&2; exit 1; }
command -v apt-get >/dev/null || fail "docker-registry is missing and there is no apt-get; install it by hand"
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "needs root for: $*; run it as root"; fi
}
rm -rf "$PLACE"
mkdir -p "$PLACE"
fetch() (cd "$PLACE" && apt-get download -qq docker-registry >&2)
if ! fetch; then
    as_root apt-get update -qq >&2
    fetch || fail "could not fetch it; run \`apt-get download docker-registry\` to see why"
fi
dpkg-deb -x "$PLACE"/docker-registry_*.deb "$PLACE"
rm "$PLACE"/docker-registry_*.deb
