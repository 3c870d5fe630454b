"""What the page on equipment shows must work, name every figure, and be the same in both languages."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import agent.equipment
from agent.sections.equipment import EQUIPMENT
from tests.agent.frames import SITE, configured

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("equipment.md", "equipment.zh-CN.md")
PLANT = """
[[device]]
name = "boiler-1"
area = "boiler-house"
line = "hall"
unit = 1
profile = "generic/steam-boiler"

[[device]]
name = "fan-1"
area = "boiler-house"
line = "hall"
unit = 2
profile = "generic/vfd-motor"

[[device]]
name = "main-meter"
area = "substation"
line = "hall"
unit = 3
profile = "eastron/sdm630"

[[device]]
name = "compressor-1"
area = "boiler-house"
line = "hall"
unit = 4
profile = "mover.toml"

[[device]]
name = "pump-1"
area = "boiler-house"
line = "hall"
unit = 5
profile = "mover.toml"

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"
"""
MOVER = """
model = "machine with meters"
kind = "pump"
source = "a test"
function = 3
type = "float32"
word_order = "big"
byte_order = "big"
max_registers = 10
max_gap = 2

[points]
active_energy_import = { address = 0, unit = "kWh" }
air_volume = { address = 2, unit = "m3" }
water_volume = { address = 4, unit = "m3" }

[[accounts]]
name = "electricity"
carrier = "electricity"
from = "active_energy_import"

[[accounts]]
name = "air"
carrier = "compressed_air"
from = "air_volume"

[[accounts]]
name = "water"
carrier = "fresh_water"
from = "water_volume"
"""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_the_configuration_on_the_page_loads_and_shows_every_kind(tmp_path: Path, name: str) -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)
    (tmp_path / "mover.toml").write_text(MOVER, encoding="utf-8")
    config = configured(tmp_path, SITE + PLANT + shown)

    assert {section.kind for section in config.equipment} == set(EQUIPMENT) - {"fan"}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_names_every_figure(name: str) -> None:
    assert set(re.findall(r"^\| `(\w+)`", page(name), re.MULTILINE)) == names_of_figures()


def names_of_figures() -> set[str]:
    """Return the first argument of every call that makes a figure."""
    found = set()
    for file in Path(agent.equipment.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "figure":
                name = ast.unparse(node.args[0])
                names = [name.replace("{section.kind}", kind) for kind in ("pump", "fan")]
                found |= {text.removeprefix("f").strip("'\"") for text in names}
    return found


def test_both_languages_show_the_same() -> None:
    ours, theirs = (page(name) for name in PAGES)
    blocks = [
        [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", one, re.DOTALL)] for one in (ours, theirs)
    ]

    assert blocks[0] == blocks[1]
    assert re.findall(r"```json\n(.*?)```", ours, re.DOTALL) == re.findall(r"```json\n(.*?)```", theirs, re.DOTALL)
    assert [line.count("|") for line in ours.splitlines()] == [line.count("|") for line in theirs.splitlines()]
