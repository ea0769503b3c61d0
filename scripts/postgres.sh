#!/usr/bin/env bash
# Installs PostgreSQL's programs where they are missing: tests start servers of their own
# with them. No server of the system's is made or started.
set -euo pipefail

ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0
fail() { printf 'postgres: error: %s\n' "$*" >&2; exit 1; }
command -v apt-get >/dev/null || fail "it is missing and there is no apt-get; install PostgreSQL by hand"
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "needs root for: $*; run it as root"; fi
}
as_root apt-get update -qq >&2
# What the package would do by itself, unless told otherwise: make a cluster and start it.
as_root mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
    as_root sh -c 'echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf'
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql >&2 ||
    fail "could not install it; run \`apt-get install postgresql\` to see why"
