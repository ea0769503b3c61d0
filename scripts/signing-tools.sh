#!/usr/bin/env bash
# An implementation of signatures that is not ours, for the interoperability tests:
# securesystemslib, in target/tools/signing. Needs Python 3.10 or later with venv, and the
# Python package index once.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=1.6.0
VENV=target/tools/signing

installed=$("$VENV/bin/python" -c 'import securesystemslib; print(securesystemslib.__version__)' 2>/dev/null || true)
if [ "$installed" != "$VERSION" ]; then
    mkdir -p "$(dirname "$VENV")"
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet "securesystemslib[crypto]==$VERSION"
fi
