#!/bin/sh
# Prepares a checkout; called by the Makefile.
#
#   deploy/setup.sh demo     .venv with what the demo needs
#   deploy/setup.sh dev      .venv with the test suite's libraries and tools as well
#   deploy/setup.sh servers  the programs the tests talk to, from Debian's packages
#
# Installs Debian packages only when something is missing, and says which.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        fail "missing Debian packages need root, and there is no sudo: run as root: apt-get install $packages"
    fi
}

install_packages() {
    packages=$*
    command -v apt-get >/dev/null 2>&1 || fail "no apt-get here: install what Debian calls $packages"
    say "installing Debian packages: $packages"
    # No terminal and no questions: this also runs where nobody could answer.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 install $packages </dev/null >/dev/null
}

FIT='import sys, venv; from ensurepip import version; sys.exit(sys.version_info < (3, 11))'

# Prints the first Python that is new enough and can make virtual environments; fails when there is none.
# Debian ships `venv` without `ensurepip` until python3-venv is installed.
find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        path=$(command -v "$name") || continue
        if "$path" -c "$FIT" >/dev/null 2>&1; then
            printf '%s\n' "$path"
            return 0
        fi
    done
    return 1
}

make_environment() {
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        return 0
    fi
    if ! python=$(find_python); then
        install_packages python3 python3-venv
        python=$(find_python) || fail "Python 3.11 or newer with venv is needed, here is $(python3 -V)"
    fi
    say "creating .venv with $("$python" -V)"
    "$python" -m venv --clear .venv
}

# Wheels only: nothing is compiled here, and no build tool is fetched that the lock does not name.
fill_environment() {
    lock=deploy/requirements/$1.txt
    say "installing into .venv what $lock names"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --no-index -e .
    touch ".venv/.$1"
}

install_servers() {
    missing=
    for pair in mosquitto:mosquitto mosquitto_sub:mosquitto-clients victoria-metrics:victoria-metrics \
        systemd-analyze:systemd tshark:tshark tcpdump:tcpdump mbpoll:mbpoll openssl:openssl jq:jq; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    case "$(ldconfig -p 2>/dev/null)" in
        *libmodbus.so.5*) ;; # a library has no command
        *) missing="$missing libmodbus5" ;;
    esac
    # shellcheck disable=SC2086 # a list of words
    [ -z "$missing" ] || install_packages $missing
}

case "${1-}" in
    demo)
        make_environment
        fill_environment demo
        ;;
    dev)
        make_environment
        fill_environment dev
        touch .venv/.demo # dev holds all of demo
        ;;
    servers) install_servers ;;
    *) fail "usage: deploy/setup.sh demo|dev|servers" ;;
esac
