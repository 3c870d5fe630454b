import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "deploy" / "requirements"
PACKAGES = ("agent", "drivers", "simulators")
LOCKS: dict[str, tuple[str, ...]] = {
    "agent.txt": (),
    "demo.txt": ("demo", "build"),
    "dev.txt": ("demo", "build", "dev"),
}
"""Which extras each lock holds."""

PLACES = re.compile(
    # The brackets keep the pattern from finding itself here.
    r"(?<![\w.-])/(wor[k]|roo[t]|hom[e]/[a-z]+)/|[.]pyen[v]"
    r"|pypi[.](org|tuna)|files[.]pythonhosted|mirrors?[.][a-z]+[.](com|cn|edu)|index[-]url="
    r"|BEGIN [A-Z ]*PRIVATE[ ]KEY"
)
"""Machine paths, registries' host names and private keys: none of them belongs into the tree."""


@cache
def tracked() -> tuple[str, ...]:
    done = subprocess.run(
        # Whoever runs the tests need not own the checkout.
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(name for name in done.stdout.split("\0") if name and (ROOT / name).is_file())


def project() -> dict[str, Any]:
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    table: dict[str, Any] = document["project"]
    return table


def entries(lock: str) -> list[str]:
    """Return the logical lines of a lock."""
    return (REQUIREMENTS / lock).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def pins(lock: str) -> list[Requirement]:
    return [Requirement(entry.split(" --hash=")[0].strip()) for entry in entries(lock)]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_versions_and_hashes_and_nothing_else(lock: str) -> None:
    pattern = re.compile(r"[a-z0-9._-]+==[a-z0-9.+!]+( ; [^-]+?)?( +--hash=sha256:[0-9a-f]{64})+")

    assert [entry for entry in entries(lock) if not pattern.fullmatch(entry)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_in_step_with_the_project(lock: str) -> None:
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"], *(entry for extra in LOCKS[lock] for entry in extras[extra])]
    locked = pins(lock)

    for requirement in map(Requirement, wanted):
        found = [pin for pin in locked if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
        assert found, f"{requirement.name} is not in {lock}: run `make lock`"
        for pin in found:
            (version,) = pin.specifier
            assert requirement.specifier.contains(version.version), f"{pin} in {lock}: run `make lock`"


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_whatever_is_imported_is_declared(package: str) -> None:
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"], *(entry for extra in extras.values() for entry in extra)]
    declared = {project()["name"], *(canonicalize_name(Requirement(entry).name) for entry in wanted)}
    distributions = packages_distributions()
    undeclared = [
        f"{name}: {top}"
        for name in tracked()
        if name.startswith(f"{package}/") and name.endswith(".py")
        for top in sorted(_imported((ROOT / name).read_text(encoding="utf-8")) - sys.stdlib_module_names)
        if top in distributions and not declared & {canonicalize_name(found) for found in distributions[top]}
    ]

    assert undeclared == []


def _imported(source: str) -> set[str]:
    """Return the top-level packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_a_gateway_gets_nothing_of_demo_and_development() -> None:
    names = {pin.name for pin in pins("agent.txt")}

    assert not names & {"amqtt", "pytest", "ruff", "mypy", "uv", "setuptools"}


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))


def test_make_has_the_promised_targets() -> None:
    assert targets() >= {"demo", "test", "bench", "check", "lock", "soak", "clean"}


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_shows_the_two_commands_and_none_that_make_does_not_know(readme: str) -> None:
    commands = set(re.findall(r"\bmake ([a-z]+)(?= |`|$)", _code(ROOT / readme), re.MULTILINE))

    assert commands >= {"demo", "test"}
    assert commands <= targets()


def _code(markdown: Path) -> str:
    """Return the parts of a page that are code, blocks and inline."""
    text = markdown.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


def test_the_tree_names_no_machine_no_registry_and_no_key() -> None:
    found = []
    for name in tracked():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {match[0]}" for match in PLACES.finditer(text)]

    assert found == []


@pytest.mark.parametrize("text", ["/" + "root/x", "cd /" + "work/main", "pypi" + ".org/simple", "/home/" + "me/x"])
def test_the_search_for_machines_and_registries_finds_them(text: str) -> None:
    assert PLACES.search(text)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel of what git tracks, in a copy: the back-end leaves its traces beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", source / "dist")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", *options, source],
        check=True,
        timeout=180,
    )
    (path,) = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.integration
def test_the_wheel_holds_the_code_and_the_catalogues(wheel: zipfile.ZipFile) -> None:
    wanted = {
        name for name in tracked() if name.startswith(tuple(f"{p}/" for p in PACKAGES)) and not name.endswith(".md")
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert held == wanted
    for folder in ("drivers/catalogue/", "agent/carbon/factors/", "simulators/plants/"):
        assert any(name.startswith(folder) and name.endswith(".toml") for name in held), folder


@pytest.mark.integration
def test_the_wheel_brings_both_commands(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    commands = wheel.read(name).decode()

    assert "energy-agent = agent.cli:main" in commands
    assert "energy-simulators = simulators.cli:main" in commands
