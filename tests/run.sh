#!/usr/bin/env bash
# Install what the tests need into .venv, and run them: lint, types, pytest (a real simulator, a real database, a real browser).
#
#   bash tests/run.sh                           everything
#   bash tests/run.sh --quick                   what needs neither a browser nor a second process
#   bash tests/run.sh --shuffled                in random order; --shuffled=SEED in the order of a run that has said this seed
#   bash tests/run.sh tests/domain/test_requests.py    just that; whatever is given goes to pytest
#
# Needs Debian 12 or later with python3-venv; elsewhere a Chrome or Chromium on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "tests/run.sh: $*"; }
fail() { say "$*" >&2; exit 1; }

set -m # jobs in groups of their own, in which Ctrl-C is not ignored
attend() { # Run a command to its end; a signal to this script is heard meanwhile.
    "$@" </dev/null &
    wait $!
}

browsers=(chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable)
proxies=(nginx caddy haproxy)

install_programs() { # a browser, and a file system of a program
    local packages=() as_root=()
    command -v "${browsers[@]}" >/dev/null || packages+=(chromium-headless-shell fonts-wqy-microhei)
    command -v bindfs >/dev/null || packages+=(bindfs)
    [ ${#packages[@]} = 0 ] && return
    command -v apt-get >/dev/null || fail "no Chromium or Chrome, or no bindfs on the PATH; install what is missing."
    if [ "$(id -u)" != 0 ]; then
        [ "${CI:-}" != true ] && command -v sudo >/dev/null || fail "as root, run: apt-get install ${packages[*]}"
        say "sudo apt-get will install: ${packages[*]}"
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

unpack_proxies() { # Installed, they would run as services on this machine.
    local missing=() wanted=() one folder=.venv/proxies
    for one in "${proxies[@]}"; do
        PATH="$PATH:/usr/sbin:$folder/usr/sbin:$folder/usr/bin" command -v "$one" >/dev/null || missing+=("$one")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || fail "not on the PATH: ${missing[*]}; install them."
    mkdir -p "$folder"
    (
        cd "$folder"
        fetch() { # and the libraries that they need
            mapfile -t wanted < <(apt-get install -qq -s --no-install-recommends "${missing[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
            apt-get download -qq "${missing[@]}" "${wanted[@]}" 2>/dev/null
        }
        fetch || { [ "$(id -u)" = 0 ] && apt-get update -qq && fetch; } || exit
        for one in ./*.deb; do dpkg -x "$one" . && rm "$one"; done
    ) || say "cannot fetch ${missing[*]} (as root, try: apt-get update); the tests that need them will fail"
}

install_bucket() { # apart, since the extras of uvicorn that it names would change what the app runs on; it does without them
    local lock installed=.venv/nanio/requirements.sha256 apart=(--target .venv/nanio --no-deps --require-hashes -r tests/nanio.lock)
    lock=$(sha256sum tests/nanio.lock)
    [ "$lock" = "$(cat "$installed" 2>/dev/null)" ] && return
    attend .venv/bin/uv pip install --quiet "${apart[@]}" ||
        attend .venv/bin/python -m pip --quiet --disable-pip-version-check install "${apart[@]}"
    echo "$lock" >"$installed"
}

install_packages() {
    [ -x .venv/bin/python ] || python3 -m venv .venv
    local lock installed=.venv/requirements.sha256
    lock=$(sha256sum tests/requirements.lock)
    [ "$lock" = "$(cat "$installed" 2>/dev/null)" ] && return
    # A file that is not byte for byte the one of the lock is not installed. pip, which would compile on one core alone, takes a minute for what uv
    # does in seconds; but of an index of one's own only pip may know.
    local pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check) options=(--require-hashes -r)
    awk '/^[a-z]/ { wanted = /^uv==/ } wanted' tests/requirements.lock >"$TESTS_RUN/uv.lock"
    attend "${pip[@]}" install --no-compile "${options[@]}" "$TESTS_RUN/uv.lock"
    attend .venv/bin/uv pip install --quiet --python .venv/bin/python "${options[@]}" tests/requirements.lock ||
        attend "${pip[@]}" install --no-compile "${options[@]}" tests/requirements.lock
    attend .venv/bin/python -m compileall -q -j 0 -x '/(tests?|pip|setuptools|mypyc?)/' .venv/lib
    echo "$lock" >"$installed"
}

# Everything that the tests start has this in its environment, and everything that they write lies in this folder: both go with this script,
# unless SIGKILL ends it.
TESTS_RUN=$(mktemp -d "${TMPDIR:-/tmp}/wan-tests-XXXXXX")
export TESTS_RUN TMPDIR="$TESTS_RUN"
chmod 755 "$TESTS_RUN" # PostgreSQL may not run as root, and gets there as nobody

clean_up() {
    local entry _ where
    for entry in /proc/[0-9]*/environ; do
        if grep -qsz "^TESTS_RUN=$TESTS_RUN\$" "$entry"; then
            entry=${entry#/proc/}
            kill -KILL "${entry%/environ}" 2>/dev/null || true
        fi
    done
    while read -r _ where _; do # small disks, which fill up in some tests
        if [[ "$where" == "$TESTS_RUN"/* ]]; then umount -l "$where" || true; fi
    done </proc/mounts
    rm -rf "$TESTS_RUN"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

chosen=() given=()
for argument; do
    case "$argument" in
        --quick) chosen+=(-m "not process") ;;
        --shuffled) chosen+=(-p randomly --randomly-dont-reset-seed) ;;
        --shuffled=*) chosen+=(-p randomly --randomly-dont-reset-seed --randomly-seed "${argument#*=}") ;;
        *) given+=("$argument") ;;
    esac
done
workers=(-n $(($(nproc) + 2))) # each waits for something half of its time
if [ ${#given[@]} -gt 0 ]; then workers=(); fi # one file is done before the workers have started

say "installing, where something is missing (a quarter of a minute the first time)"
install_programs
install_packages
install_bucket
unpack_proxies
say "installed after $SECONDS s; lint"
.venv/bin/ruff check --quiet .
.venv/bin/ruff format --check --quiet .

say "types and tests: 10 to 25 minutes on two cores, by how quick they are; 1 or 2 with --quick; less for a file"
.venv/bin/mypy >"$TESTS_RUN/types" 2>&1 </dev/null &
types=$!
status=0
attend .venv/bin/python -m pytest --durations=10 --durations-min=1 "${workers[@]}" "${chosen[@]}" "${given[@]}" || status=$?
wait $types || { status=1 && cat "$TESTS_RUN/types"; }
say "$([ $status = 0 ] && echo passed || echo FAILED) after $((SECONDS / 60)) min $((SECONDS % 60)) s"
exit $status
