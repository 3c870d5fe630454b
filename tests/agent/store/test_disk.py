"""A disk that does not take what is written: refused by the kernel, not by a fake."""

import sqlite3
from pathlib import Path

import orjson
import pytest

from agent.store import Lane, Store, StoreStatus, store_alarms
from tests.agent.store.stores import NOW, no_file_above, opened, until


async def take(store: Store) -> list[int]:
    taken = []
    for lane in Lane:
        while batch := await store.peek("mqtt", 100, lane=lane):
            taken += [record.seq for record in batch]
            await store.acknowledge("mqtt", batch[-1].seq)
    return taken


async def test_what_the_kernel_refuses_to_write_is_delivered_live_and_kept_once_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        store.append("telemetry", "hall/meter", NOW, {"x": 1})
        await until(store, lambda status: status.committed_seq == 1)
        with no_file_above(1 << 10) as lift:
            waiting = store.append("telemetry", "hall/meter", NOW, {"x": 2})
            await until(store, lambda status: bool(status.degraded))
            live = store.append("telemetry", "hall/meter", NOW, {"x": 3})
            alarm = store.append("alarm", "agent", NOW, {"x": 4})
            interval = store.append("interval", "hall/meter", NOW, {"x": 5})

            assert await take(store) == [alarm.seq, 1, live.seq]
            lift()
            await until(store, lambda status: not status.degraded)

        assert await take(store) == [waiting.seq, interval.seq]
        assert store.unsettled("mqtt") == 0
    async with opened(path) as store:
        assert await take(store) == []
        assert [orjson.loads(record.payload)["x"] for record in await store.intervals(0, 1 << 62)] == [5]


@pytest.mark.parametrize("error", ["disk I/O error", "attempt to write a readonly database", "unable to open"])
async def test_any_refusal_ends_by_itself(tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path / "store.db") as store:
        database = store._writer._upkeep.database
        assert database
        commit, attempts = database.commit, iter(range(2))

        def refused(*given: object) -> object:
            if next(attempts, None) is None:
                return commit(*given)  # type: ignore[arg-type]  # handed on as they came
            raise sqlite3.OperationalError(error)

        monkeypatch.setattr("agent.store.upkeep.RETRY_S", 0.05)
        monkeypatch.setattr(database, "commit", refused)
        store.append("telemetry", "hall/meter", NOW, {})
        await until(store, lambda status: status.degraded == error)
        await until(store, lambda status: not status.degraded)

        assert store.status().committed_seq == 1
        assert await take(store) == [1]


def test_the_alarms_say_what_to_do_and_end_by_themselves() -> None:
    failing = store_alarms(StoreStatus(degraded="disk I/O error"), NOW)
    damaged = store_alarms(StoreStatus(set_aside="store.db.damaged-1"), NOW)
    displaced = store_alarms(StoreStatus(displaced="was removed or replaced"), NOW)
    sound = store_alarms(StoreStatus(), NOW)

    assert [alarm.name for alarm in sound] == ["store", "store_damaged", "store_displaced"]
    assert [alarm.active for alarm in failing] == [True, False, False]
    assert [alarm.active for alarm in damaged] == [False, True, False]
    assert [alarm.active for alarm in displaced] == [False, False, True]
    assert not any(alarm.active for alarm in sound)
    assert "disk I/O error" in failing[0].text
    assert "disk I/O error" in failing[0].text_zh
    assert "store.db.damaged-1" in damaged[1].text
    assert "was removed or replaced" in displaced[2].text
    assert failing[0].severity == "critical"
