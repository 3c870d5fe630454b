"""`energy-agent output`: entries of people who know what was made."""

import asyncio
import errno
import os
from pathlib import Path

import orjson
import pytest

from agent.cli import main
from agent.store import Store, read_intervals
from agent.timekeeping import Clocks, Timekeeper
from tests.agent.frames import SITE, configured

SITE_WITH_BRICKS = f"""{SITE}
[store]
path = "store.db"

[[device]]
name = "fan-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"

[[output]]
name = "bricks"
entered = true
unit = "t"
"""
SAID = ["--reason", "weighing list 7", "--author", "Wang Fang"]
SHIFT = ["--from", "2025-11-20T08:00", "--to", "2025-11-20T16:00"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENERGY_AGENT_CLOCK_WAIT_S", "0")
    configured(tmp_path, SITE_WITH_BRICKS)

    async def made() -> None:
        keeper = Timekeeper(lambda: Clocks(10**18, 10**9, 0, True))
        keeper.look()
        path = tmp_path / "store.db"
        store = Store(path, max_size=1 << 24, commit_every_s=1.0, site="works", stamp=keeper.stamp, sinks=[])
        await store.open()
        await store.close()

    asyncio.run(made())
    return tmp_path / "site.toml"


def test_an_amount_is_entered_while_no_agent_runs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["output", str(config), "bricks", "120.5", *SHIFT, *SAID])

    assert (code, capsys.readouterr().out) == (0, "120.5 t entered\n")
    assert main(["output", str(config), "bricks", "-0.5", *SHIFT, *SAID]) == 0
    assert "32 intervals revised" in capsys.readouterr().out
    found = [orjson.loads(each.payload) for each in read_intervals(config.with_name("store.db"), 0, 1 << 62, "bricks")]
    latest = {each["start"]: each["amount"] for each in sorted(found, key=lambda each: each["revision"])}
    assert sum(latest.values()) == pytest.approx(120.0, abs=1e-9)
    quarter = ["--from", "2025-11-20T08:00", "--to", "2025-11-20T08:15"]
    assert main(["output", str(config), "bricks", "-0.5", *quarter, *SAID]) == 0
    assert capsys.readouterr().out.endswith(": 1 interval revised\n")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["tiles", "1", *SHIFT], "there is no account 'tiles'"),
        (["fan-1/electricity", "1", *SHIFT], "there is no output"),
        (["bricks", "1", "--from", "2025-11-20T08:01", "--to", "2025-11-20T16:00"], "within an interval of 900 s"),
        (["bricks", "1", "--from", "2025-11-20", "--to", "2125-11-20"], "longer than 31 days"),
        (["bricks", "1", "--from", "2125-11-20", "--to", "2125-11-21"], "still to come"),
    ],
)
def test_a_mistake_in_an_entry_is_one_line(
    config: Path, capsys: pytest.CaptureFixture[str], given: list[str], text: str
) -> None:
    assert main(["output", str(config), *given, *SAID]) == 2

    told = capsys.readouterr().err
    assert text in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "Permission denied: run this as the user of the agent"),
        (errno.ENOSPC, "No space left on device: make room on the disk it lies on"),
        (errno.EIO, "Input/output error: check the disk it lies on"),
    ],
)
def test_a_store_that_cannot_be_written_beside_is_told_with_what_helps(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def failing(*_: object) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("agent.commands.correct.ask", failing)
    assert main(["output", str(config), "bricks", "1", *SHIFT, *SAID]) == 2
    assert capsys.readouterr().err == f"{config.parent}: {remedy}\n"


@pytest.mark.parametrize(("length", "longest"), [("10s", "8 h 16 min"), ("30s", "1 day 48 min"), ("1s", "49 min 36 s")])
def test_how_long_a_period_may_be_is_told_in_hours_and_minutes(
    config: Path, capsys: pytest.CaptureFixture[str], length: str, longest: str
) -> None:
    config.write_text(f'{config.read_text()}\n[interval]\nlength = "{length}"\n')

    assert main(["output", str(config), "bricks", "1", "--from", "2025-11-20", "--to", "2025-11-22", *SAID]) == 2

    assert f"the period is longer than {longest}: enter it in parts" in capsys.readouterr().err
