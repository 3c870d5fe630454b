import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from agent.config import ConfigError
from agent.config.load import load_config
from agent.sections.tables import LISTS, TABLES, VARIANTS

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
EXAMPLE = DEPLOY / "energy-agent.example.toml"

# --- the example configuration


def test_the_example_configuration_has_no_mistake() -> None:
    try:
        config = load_config(EXAMPLE)
    except ConfigError as error:
        pytest.fail(str(error))

    assert config.site.name == "hefei-works"


def test_the_example_configuration_explains_every_key() -> None:
    explained: dict[str, bool] = {}
    table = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := re.match(r"\[+([a-z]+)\]+", line):
            table = header[1]
        elif key := re.match(r"([a-z_]+) *=", line):
            name = f"{table}.{key[1]}"
            explained[name] = explained.get(name, False) or "# " in line

    assert [name for name, said in explained.items() if not said] == []


def test_the_example_configuration_shows_every_table() -> None:
    example = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))

    assert set(example) == {
        "site", "store", "line", "device", "account", "output", "intensity", "windows", "interval", "mqtt", "influx",
        "capture", "audit", "http",
    }  # fmt: skip


def test_the_examples_behind_a_number_sign_have_no_mistake(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(re.sub(r"^#(?=[a-z\[])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE), "utf-8")

    try:
        load_config(site)
    except ConfigError as error:
        pytest.fail(str(error))

    shown = set(tomllib.loads(site.read_text(encoding="utf-8")))
    assert {"equipment", "calendar", "tariff", "carbon", "fuel", "green_power"} <= shown


def test_the_example_configuration_has_a_word_on_every_key_of_every_table() -> None:
    said: dict[str, str] = {}
    table = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := re.match(r"#?\[+([a-z_]+)", line):
            table = header[1]
        said[table] = f"{said.get(table, '')}\n{line}"
    # What machines have is told by their kind, in docs/equipment.md.
    models = {name: model for name, model in (TABLES | LISTS).items() if name not in VARIANTS}
    keys = [(name, each.key.alias or key) for name, model in models.items() for key, each in model.declared.items()]

    assert [f"{table}.{key}" for table, key in keys if not re.search(rf"\b{key}\b", said.get(table, ""))] == []


# --- the installer

FAKE_PYTHON = """#!/bin/sh
# Stands in for Python and pip: makes what they would make, and notes how pip was called.
case "$1 $2" in
    "-m venv")
        for folder in "$@"; do :; done
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python"
        ;;
    "-m pip")
        echo "$@" >> "$NOTES"
        case "$*" in *" install "*energy_agent-*) touch "$(dirname "$0")/energy-agent" ;; esac
        if [ "$3" = wheel ]; then
            while [ "$1" != --wheel-dir ]; do shift; done
            mkdir -p "$2"
            touch "$2/energy_agent-0-py3-none-any.whl"
        fi
        ;;
esac
"""


class Installer:
    """Runs deploy/install.sh into a folder of its own, with a Python that downloads nothing."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.notes = folder / "notes"
        self.python = folder / "python"
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)

    def run(self, *options: str | Path, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", DEPLOY / "install.sh", "--destdir", self.root, *options],
            env=os.environ | {"PYTHON": str(python or self.python), "NOTES": str(self.notes)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(tmp_path)


def test_the_installer_puts_program_configuration_and_service_in_place(installer: Installer) -> None:
    done = installer.run()

    assert done.returncode == 0, done.stderr
    assert {
        "opt/energy-agent/bin/energy-agent",
        "etc/energy-agent/energy-agent.toml",
        "etc/systemd/system/energy-agent.service",
    } <= installer.files()
    assert "systemctl enable --now energy-agent" in done.stdout
    assert not list((installer.root / "var" / "tmp").iterdir())


def test_the_installer_takes_nothing_that_is_not_locked(installer: Installer) -> None:
    installer.run()

    for call in installer.notes.read_text().splitlines():
        assert "--require-hashes" in call or "--no-index" in call, call


def test_the_installer_fetches_everything_before_it_replaces_the_program(installer: Installer) -> None:
    installer.run()

    calls = installer.notes.read_text().splitlines()
    fetched = next(index for index, call in enumerate(calls) if " download " in call)
    assert all("--no-index" in call for call in calls[fetched + 1 :])


def test_the_installer_builds_with_the_back_end_of_the_lock() -> None:
    # pip would refuse a cut-out that is not a whole requirement with its hashes.
    script = (DEPLOY / "install.sh").read_text()
    (program,) = re.findall(r"awk '(.+)' \"\$HERE/requirements/demo.txt\"", script)
    cut = subprocess.run(
        ["awk", program, DEPLOY / "requirements" / "demo.txt"], capture_output=True, text=True, check=True
    ).stdout

    assert re.fullmatch(
        r"setuptools==\S+ \\\n(    --hash=sha256:[0-9a-f]{64} \\\n)*    --hash=sha256:[0-9a-f]{64}\n", cut
    )


def test_the_installer_takes_a_wheel_instead_of_the_checkout(installer: Installer, tmp_path: Path) -> None:
    wheel = tmp_path / "energy_agent-1-py3-none-any.whl"
    wheel.touch()

    assert installer.run("--wheel", wheel).returncode == 0
    assert " wheel " not in installer.notes.read_text()
    assert str(wheel) in installer.notes.read_text()


def test_the_installer_never_overwrites_a_configuration(installer: Installer) -> None:
    configuration = installer.root / "etc" / "energy-agent" / "energy-agent.toml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text("mine")

    assert "keeping" in installer.run().stdout
    assert configuration.read_text() == "mine"


def test_uninstalling_leaves_configuration_and_secrets(installer: Installer) -> None:
    installer.run()
    secret = installer.root / "etc" / "credstore" / "energy-agent.mqtt"
    secret.touch()

    done = installer.run("--uninstall")

    assert done.returncode == 0, done.stderr
    assert installer.files() == {
        "etc/credstore/energy-agent.mqtt",
        "etc/energy-agent/energy-agent.example.toml",
        "etc/energy-agent/energy-agent.toml",
    }


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--prefx"], "unknown option '--prefx'"),
        (["--wheel", "nowhere.whl"], "nowhere.whl: no such wheel"),
        (["--wheel"], "--wheel needs a file"),
    ],
)
def test_the_installer_refuses_wrong_options_in_one_line(
    installer: Installer, options: list[str], complaint: str
) -> None:
    done = installer.run(*options)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not installer.root.exists()


def test_the_installer_names_a_missing_python_and_its_remedy(installer: Installer) -> None:
    done = installer.run(python=Path("/nowhere/python3"))

    assert done.returncode == 2
    assert "apt-get install python3 python3-venv" in done.stderr
    assert not installer.root.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root is refused without dropping anything")
def test_the_installer_wants_root_in_one_line() -> None:
    done = subprocess.run(
        ["sh", "-s"],
        input=(DEPLOY / "install.sh").read_text(),
        user=65534,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr == "install.sh: this needs root: run it with sudo\n"


# --- the set-up of a checkout

NOTE = 'echo "$DEBIAN_FRONTEND $0 $*" >> "$NOTES"'


class Setup:
    """Runs deploy/setup.sh where most programs are missing, with stand-ins for those that change the system."""

    def __init__(self, folder: Path, user: int) -> None:
        self.notes = folder / "notes"
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("dirname", "env", "sh"):
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.add("id", f"echo {user}")

    def add(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DEPLOY / "setup.sh", "servers"],
            env={"PATH": str(self.programs), "NOTES": str(self.notes)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def test_missing_servers_are_installed_by_name_and_without_questions(tmp_path: Path) -> None:
    setup = Setup(tmp_path, user=0)
    setup.add("apt-get", NOTE)

    done = setup.run()

    assert done.returncode == 0, done.stderr
    update, install = setup.notes.read_text().splitlines()
    assert update.startswith("noninteractive ")
    assert update.endswith(" update")
    assert install.startswith("noninteractive ")
    packages = set(install.partition(" install ")[2].split())
    assert packages >= {"mosquitto-clients", "victoria-metrics", "systemd"}
    assert "victoria-metrics" in done.stdout


def test_who_is_not_root_installs_with_sudo(tmp_path: Path) -> None:
    setup = Setup(tmp_path, user=1000)
    setup.add("apt-get", NOTE)
    setup.add("sudo", 'echo "sudo $*" >> "$NOTES"')

    assert setup.run().returncode == 0
    assert [line.split()[0] for line in setup.notes.read_text().splitlines()] == ["sudo", "sudo"]


@pytest.mark.parametrize("programs", [["apt-get"], []], ids=["no sudo", "no apt-get"])
def test_packages_that_cannot_be_installed_are_named(tmp_path: Path, programs: list[str]) -> None:
    setup = Setup(tmp_path, user=1000)
    for name in programs:
        setup.add(name, NOTE)

    done = setup.run()

    assert done.returncode == 2
    assert "victoria-metrics" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not setup.notes.exists()


# --- scripts


@pytest.mark.parametrize("script", ["deploy/install.sh", "deploy/setup.sh", ".ci/run"])
def test_scripts_are_executable_and_stop_at_the_first_error(script: str) -> None:
    path = ROOT / script

    assert os.access(path, os.X_OK)
    assert re.search(r"(?m)^set -eu", path.read_text())
