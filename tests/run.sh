#!/usr/bin/env bash
# Installs what the tests need into .venv and runs every one of them: lint, types, pytest (a real simulator, a real database, a real browser).
# Needs Debian 12 or later with python3-venv; elsewhere a Chrome or Chromium on the PATH. Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "tests/run.sh: no Chromium or Chrome on the PATH; install one." >&2
        exit 1
    fi
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-wqy-microhei >/dev/null
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
# What is there already is not loaded again; a file that is not byte for byte the one of the lock is not installed.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.lock

.venv/bin/ruff check .
.venv/bin/ruff format --check --quiet .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
