"""An older copy of the store that was put back: no number is given out for a second record."""

import shutil
from pathlib import Path

import orjson

from tests.agent.store.stores import everything, opened, telemetry

_NOTED = b"another one than was used here last"


async def lives(path: Path, backup: Path) -> set[tuple[str, int]]:
    """Let a store live, be copied, be lost and begin anew, and live on; return the numbers that it gave out."""
    given = set()
    async with opened(path) as store:
        given |= {(store.epoch, record.seq) for record in telemetry(store, 40)}
    shutil.copy(path, backup)
    async with opened(path) as store:
        given |= {(store.epoch, record.seq) for record in telemetry(store, 60)}
    shutil.move(path, path.with_name("lost.db"))
    async with opened(path) as store:
        given |= {(store.epoch, record.seq) for record in telemetry(store, 10)}
    return given


async def test_a_copy_of_an_earlier_epoch_gives_out_no_number_again_and_tells_that_records_are_lost(
    tmp_path: Path,
) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    given = await lives(path, backup)
    backup.replace(path)

    async with opened(path) as store:
        new = {(store.epoch, record.seq) for record in telemetry(store, 30)}
        await store.flush()
        events = [record.payload for record in await everything(store) if record.kind == "event"]
        epoch = store.epoch

    assert not new & given
    assert [_NOTED in event for event in events] == [True]
    async with opened(path) as store:
        assert store.epoch == epoch


async def test_numbers_that_a_log_has_forgotten_together_with_their_epoch_are_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        kept = telemetry(store, 10)
        early = store.epoch
    shutil.copy(path, tmp_path / "early.db")  # what is left when the log is lost
    path.with_name("store.db.lock").write_text(f"{early} {20:020d}\n")
    async with opened(path) as store:
        last = telemetry(store, 10)[-1].seq
        await store.flush()
        assert store.epoch != early
    (tmp_path / "early.db").replace(path)

    async with opened(path) as store:
        await store.flush()
        told = [orjson.loads(record.payload) for record in await everything(store) if record.kind == "gap"]

        assert [gap["from_seq"] for gap in told] == [kept[-1].seq + 1]
        assert told[0]["to_seq"] >= last


async def test_a_store_that_begins_anew_after_its_file_was_removed_tells_of_no_other_one(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await lives(path, tmp_path / "backup.db")

    async with opened(path) as store:
        assert [record.kind for record in await everything(store) if record.kind != "telemetry"] == []
