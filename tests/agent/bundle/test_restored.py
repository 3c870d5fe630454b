"""After an older copy of the store was put back: what was lost is told as lost, and is taken for no forgery."""

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.bundle.inspect import inspect
from agent.bundle.verdict import State, Verdict
from agent.bundle.verify import FIGURES, READINGS, verify
from agent.cli import main
from agent.service import Agent
from agent.store import read_chained
from tests.agent.audit.proving import site
from tests.agent.running import Motor, running, undivided_capture, until
from tests.modbus_rig import rig

pytestmark = pytest.mark.integration

Body = dict[str, Any]


async def _run(folder: Path, *between: Callable[[], object]) -> None:
    """Run an agent until it has recorded some intervals; then do something and run it again, as often as is given."""
    async with rig("tcp", Motor()) as device:
        for then in (*between, object):
            agent = Agent(site(folder, device.url))
            async with running(agent):
                await until(partial(_has_recorded, agent))
            then()


def _has_recorded(agent: Agent) -> bool:
    return agent.scribe.counts["interval"] >= 3


def _put_back(folder: Path, last_of: str = "") -> Path:
    """Run, copy the store, run on, put the copy back beside the lock file, and run again; return the folder.

    `last_of` names an epoch that the lock file knows instead, as when another store was there meanwhile.
    """
    store = folder / "data" / "store.db"

    def put_back() -> None:
        shutil.copy(store, folder / "lost.db")
        shutil.copy(folder / "copy.db", store)
        if last_of:
            (folder / "data" / "store.db.lock").write_text(f"{last_of} {1:020d}\n", encoding="ascii")

    with undivided_capture():
        asyncio.run(_run(folder, lambda: shutil.copy(store, folder / "copy.db"), put_back))
    return folder


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an agent whose store was put back."""
    return _put_back(tmp_path_factory.mktemp("restored"))


def _chain(store: Path) -> list[Body]:
    return [orjson.loads(record.payload) for record in read_chained(store)]


def _lost(folder: Path) -> list[Body]:
    """Return the intervals that were recorded and lost."""
    kept = {body["hash"] for body in _chain(folder / "data" / "store.db")}
    return [body for body in _chain(folder / "lost.db") if "amount" in body and body["hash"] not in kept]


def _bundle(folder: Path, start: str, end: str, name: str) -> Path:
    """Return a bundle of a period, with the captures of the runs before the copy was put back only."""
    out, last = folder / name, max((folder / "capture").glob("*.zst"))
    aside = last.rename(folder / last.name)
    try:
        assert main(["bundle", str(folder / "site.toml"), "--from", start, "--to", end, "--out", str(out)]) == 0
    finally:
        aside.rename(last)
    return out


def _page(bundle: Path) -> str:
    return inspect(bundle).read("index.html").decode()


def _readings(verdict: Verdict) -> dict[State, str]:
    return {each.state: each.text for each in verdict.checks if each.name == READINGS}


def test_records_that_were_lost_with_the_store_and_recorded_anew_are_no_forgery(restored: Path) -> None:
    first, last = _lost(restored)[0], _lost(restored)[-1]
    bundle = _bundle(restored, first["start"], last["end"], "whole.tar")
    verdict = verify(bundle)
    said = _readings(verdict)

    assert State.FAILS not in said, said
    assert f"the captures tell of record {first['seq']}, which was lost with the store" in said[State.UNCHECKED]
    assert said[State.UNCHECKED].count("which was lost with the store") == 1
    (figures,) = [each.text for each in verdict.checks if each.name == FIGURES]
    assert figures == "totals, quality and factors of 1 account follow from the records"


def test_a_bundle_that_lies_wholly_in_the_time_of_the_loss_tells_of_it(restored: Path) -> None:
    lost = _lost(restored)[1]
    page = _page(_bundle(restored, lost["start"], lost["end"], "within.tar"))

    assert "Records were lost with the store" in page
    assert "The bounded store had to drop records" not in page
    assert "of which classes nobody knows" in page


def test_captures_that_no_record_names_are_not_said_to_tell_of_nothing(
    restored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = _lost(restored)[0], _lost(restored)[-1]
    bundle = _bundle(restored, first["start"], last["end"], "unnamed.tar")
    said = capsys.readouterr().out
    assert "\n  no record names a file of " in said
    assert ", but one that none names may cover it\n" in said
    assert "by the records, none of these files tells of; files that no record names may:" in _page(bundle)
    assert "verify shows whether it follows from them" in _page(bundle)


def test_nor_are_those_of_which_only_an_event_tells_because_another_store_was_there_meanwhile(tmp_path: Path) -> None:
    folder = _put_back(tmp_path, "0" * 12)
    lost = _lost(folder)
    said = _readings(verify(_bundle(folder, lost[0]["start"], lost[-1]["end"], "whole.tar")))

    assert State.FAILS not in said, said
    assert f"the captures tell of record {lost[0]['seq']}, which was lost with the store" in said[State.UNCHECKED]
