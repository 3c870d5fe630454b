#!/bin/sh
# Installs energy-agent on a gateway with Debian or a relative of it.
set -eu

PREFIX=/opt/energy-agent
CONFIG=/etc/energy-agent
UNIT=/etc/systemd/system/energy-agent.service
STATE=/var/lib/energy-agent
HERE=$(cd "$(dirname "$0")" && pwd)

usage() {
    cat <<EOT
usage: deploy/install.sh [--wheel FILE] [--destdir DIR]    install, or update what is installed
       deploy/install.sh --uninstall [--destdir DIR]       remove the program; configuration and data stay

  --wheel FILE   install this wheel instead of the checkout the script lies in
  --destdir DIR  put everything below DIR, do not ask for root and leave systemd alone: for images and trials

Program $PREFIX, configuration $CONFIG (never overwritten), service $UNIT.
PYTHON=/path/to/python3 chooses another Python than /usr/bin/python3.
EOT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 2; }

wheel=
destdir=
action=install
while [ $# -gt 0 ]; do
    case $1 in
        --wheel) [ $# -ge 2 ] || fail "--wheel needs a file"; wheel=$2; shift ;;
        --destdir) [ $# -ge 2 ] || fail "--destdir needs a folder"; destdir=${2%/}; shift ;;
        --uninstall) action=uninstall ;;
        -h | --help) usage; exit 0 ;;
        *) fail "unknown option '$1': see --help" ;;
    esac
    shift
done

[ -n "$destdir" ] || [ "$(id -u)" -eq 0 ] || fail "this needs root: run it with sudo"
[ -z "$wheel" ] || [ -f "$wheel" ] || fail "$wheel: no such wheel"

prefix=$destdir$PREFIX
config=$destdir$CONFIG
unit=$destdir$UNIT

# systemd is asked only on the running system: never for an image, nor in a container without it.
systemd() {
    if [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
        systemctl "$@"
    fi
}

# Not the first python3 of PATH: one in somebody's home would be out of the service's reach.
python=${PYTHON:-/usr/bin/python3}
FIT='import sys, venv; from ensurepip import version; sys.exit(sys.version_info < (3, 11))'

check_python() {
    "$python" -c "$FIT" >/dev/null 2>&1 || fail \
        "$python: Python 3.11 or newer with venv is needed: apt-get install python3 python3-venv"
}

# pip VENV COMMAND ARGUMENTS…
pip() {
    environment=$1
    command=$2
    shift 2
    "$environment/bin/python" -m pip "$command" --quiet --disable-pip-version-check --no-input "$@"
}

# Builds a wheel of the checkout outside of it, with the build tool that the lock names.
build_wheel() {
    mkdir "$work/source"
    for part in agent drivers simulators pyproject.toml README.md; do
        cp -R "$HERE/../$part" "$work/source"
    done
    awk '/^setuptools==/ {on = 1} on {print; if (!/\\$/) exit}' "$HERE/requirements/demo.txt" >"$work/build.txt"
    pip "$work/venv" install --only-binary :all: --require-hashes -r "$work/build.txt"
    pip "$work/venv" wheel --no-build-isolation --no-deps --no-index --wheel-dir "$work/dist" "$work/source"
    wheel=$(ls "$work"/dist/*.whl)
}

install_program() {
    # /var/tmp: on small gateways /tmp is memory, and the packages would fill it.
    mkdir -p "$destdir/var/tmp"
    work=$(mktemp -d -p "$destdir/var/tmp")
    trap 'rm -rf "$work"' EXIT
    "$python" -m venv "$work/venv"
    if [ -z "$wheel" ]; then
        say "building a wheel of this checkout"
        build_wheel
    fi
    # Everything is fetched before the old program goes: a broken connection leaves it running.
    say "fetching the locked packages"
    pip "$work/venv" download --only-binary :all: --require-hashes --dest "$work/packages" \
        -r "$HERE/requirements/agent.txt"
    say "installing the program into $prefix"
    mkdir -p "$prefix"
    "$python" -m venv --clear "$prefix"
    pip "$prefix" install --no-index --find-links "$work/packages" --require-hashes -r "$HERE/requirements/agent.txt"
    pip "$prefix" install --no-index --no-deps "$wheel"
    # The service runs as a user of its own and must be able to read all of this.
    chmod -R a+rX "$prefix"
}

install_configuration() {
    mkdir -p "$config"
    chmod 755 "$config"
    install -m 644 "$HERE/energy-agent.example.toml" "$config/energy-agent.example.toml"
    if [ -e "$config/energy-agent.toml" ]; then
        say "keeping $config/energy-agent.toml as it is"
    else
        say "writing the example to $config/energy-agent.toml"
        install -m 644 "$HERE/energy-agent.example.toml" "$config/energy-agent.toml"
    fi
    mkdir -p "$destdir/etc/credstore"
    chmod 700 "$destdir/etc/credstore"
}

install_service() {
    say "installing the service $unit"
    mkdir -p "$(dirname "$unit")"
    install -m 644 "$HERE/../systemd/energy-agent.service" "$unit"
    if [ -z "$destdir" ] && ! getent group dialout >/dev/null; then
        say "creating the group dialout, which owns serial ports"
        groupadd --system dialout
    fi
    systemd daemon-reload
    # An update takes effect at once; a first installation waits for its configuration.
    systemd try-restart energy-agent.service
}

next_steps() {
    cat <<EOT

Next:
  1. describe the plant:   $CONFIG/energy-agent.toml
  2. store the secrets:    install -m 600 /dev/stdin /etc/credstore/energy-agent.mqtt     (then type it, Ctrl-D)
                           the same with energy-agent.influx for the database's token
                           nothing to do for the seals: the agent makes their key in $STATE/audit; to keep it apart:
                           openssl genpkey -algorithm ed25519 | install -m 600 /dev/stdin /etc/credstore/energy-agent.seal
                           and [audit] key_file in the configuration
  3. look it over:         $PREFIX/bin/energy-agent check $CONFIG/energy-agent.toml
  4. try the devices:      $PREFIX/bin/energy-agent read $CONFIG/energy-agent.toml
  5. start it:             systemctl enable --now energy-agent
                           journalctl -u energy-agent -f
EOT
}

uninstall() {
    systemd disable --now energy-agent.service || say "the service was not running"
    say "removing $unit and $prefix"
    rm -f "$unit"
    rm -rf "$prefix"
    systemd daemon-reload
    say "kept: $config, $destdir/etc/credstore/energy-agent.* and the records in $destdir$STATE"
}

if [ "$action" = uninstall ]; then
    uninstall
else
    check_python
    install_program
    install_configuration
    install_service
    next_steps
fi
