"""The page on the simulators names what there is, and says the same in both languages."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.capture.encoder import Encoder
from simulators.cli import main
from simulators.fault.faults import FAULTS
from tests.drivers.capture.exchanges import BOOT, LINES, answered

DOCS = Path(__file__).parents[2] / "docs"
ENGLISH, CHINESE = ((DOCS / f"simulators{end}").read_text(encoding="utf-8") for end in (".md", ".zh-CN.md"))


def commands(page: str) -> list[str]:
    """Return the lines of the shell blocks without their comments."""
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)).splitlines()
    return [re.sub(r"\s+# .*", "", line) for line in lines]


def outline(page: str) -> list[str]:
    """Return the marks of the headings and the beginnings of the rows."""
    return re.findall(r"^(#+|\|)", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def test_both_languages_have_the_same_commands_sections_and_tables() -> None:
    assert commands(ENGLISH) == commands(CHINESE) != []
    assert outline(ENGLISH) == outline(CHINESE) != []


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_every_fault_is_explained_with_its_stage_and_framing(page: str) -> None:
    rows = [row.split("|") for row in page.splitlines() if row.startswith("| `")]
    told = {name: row[3] for row in rows if len(row) == 6 for name in re.findall(r"`([a-z-]+)`", row[1])}

    assert told.keys() == FAULTS.keys()
    for name, where in told.items():
        assert ("TCP" in where, "RTU" in where) == (FAULTS[name].tcp, FAULTS[name].rtu)


@pytest.mark.integration
@pytest.mark.parametrize(
    "command", [line for line in commands(ENGLISH) if " my-meter" not in line and " replay " not in line]
)
def test_every_command_that_is_shown_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = command.replace("/tmp/", f"{tmp_path}/").split()  # noqa: S108 - what the page shows
    assert program == "energy-simulators"

    assert main([*arguments, "--for", "0.05"]) == 0
    assert capsys.readouterr().out


@pytest.mark.integration
@pytest.mark.parametrize("command", [line for line in commands(ENGLISH) if " replay " in line])
def test_every_replay_that_is_shown_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = Encoder(LINES, BOOT)
    noon_ns = int(datetime(2026, 11, 24, 4, tzinfo=UTC).timestamp()) * 10**9
    parts = [encoder.begin(site="works", configuration="", version="1")]
    for hours in (-6, 0):
        read = answered("hall")
        parts.append(encoder.exchange(replace(read, time_ns=noon_ns + hours * 3600 * 10**9), "synchronised"))
    (tmp_path / "capture").mkdir()
    for name in ("tuesday.pcapng.zst", "capture/works.pcapng"):
        (tmp_path / name).write_bytes(b"".join(parts))
    monkeypatch.chdir(tmp_path)
    _, *arguments = command.replace("/tmp/", f"{tmp_path}/").split()  # noqa: S108 - what the page shows

    assert main([*arguments, "--for", "0.05"]) == 0
    assert "hall" in capsys.readouterr().out
