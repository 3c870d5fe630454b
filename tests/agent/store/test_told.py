"""What the store tells of itself has a time that is right, or waits for one."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from agent.record import Record
from agent.store import Lane, Store

_NOW = 1_795_162_800_000_000_000
MARK = {"monotonic_us": 7, "boot": "12345678"}


class Clock:
    """A clock that is known from the moment the test says so."""

    def __init__(self, *, known: bool) -> None:
        self.known = known

    def __call__(self, monotonic_ns: int) -> tuple[int, Mapping[str, object]] | None:
        return (_NOW + monotonic_ns, MARK) if self.known else None


@asynccontextmanager
async def opened(path: Path, clock: Clock, *, max_size: int = 64 << 20) -> AsyncIterator[Store]:
    store = Store(path, max_size=max_size, commit_every_s=60, sinks=("mqtt",), site="works", stamp=clock)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def told(store: Store) -> list[Record]:
    found = []
    while batch := await store.peek("mqtt", 100, lane=Lane.NORMAL):
        found += batch
        await store.acknowledge("mqtt", batch[-1].seq)
    return [record for record in found if record.kind in ("event", "gap")]


def damage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


async def fill(store: Store) -> None:
    for n in range(60):
        store.append("telemetry", "hall/meter", n, {"x": "y" * 60_000})
        if n % 10 == 9:
            await store.flush()


async def test_what_the_store_tells_carries_the_known_time_and_the_clocks(tmp_path: Path) -> None:
    damage(tmp_path / "store.db")
    async with opened(tmp_path / "store.db", Clock(known=True), max_size=1 << 20) as store:
        await fill(store)
        event, *gaps = await told(store)
        until_ns = time.monotonic_ns()

    assert gaps
    for record in (event, *gaps):
        body = orjson.loads(record.payload)
        assert 0 < record.time_ns - _NOW <= until_ns
        assert body["time"].startswith("2026-11-20T")
        assert body["clock"] == MARK


async def test_an_event_waits_for_the_time_and_then_has_that_of_what_it_tells(tmp_path: Path) -> None:
    damage(tmp_path / "store.db")
    clock = Clock(known=False)
    async with opened(tmp_path / "store.db", clock) as store:
        opened_ns = time.monotonic_ns()
        await store.flush()
        assert await told(store) == []
        clock.known = True
        store.append("telemetry", "hall/meter", _NOW, {})
        await store.flush()
        events = await told(store)

    assert [orjson.loads(event.payload)["name"] for event in events] == ["store_damaged"]
    assert events[0].time_ns - _NOW < opened_ns


async def test_what_was_lost_before_the_time_was_known_is_told_once_it_is(tmp_path: Path) -> None:
    clock = Clock(known=False)
    async with opened(tmp_path / "store.db", clock, max_size=1 << 20) as store:
        await fill(store)
        assert await told(store) == []
        left = store.status().records["telemetry"]
        clock.known = True
        await store.flush()
        gaps = [orjson.loads(gap.payload) for gap in await told(store)]

    assert [gap["kinds"] for gap in gaps] == [{"telemetry": 60 - left}]
    assert gaps[0]["from_seq"] == 1


async def test_what_waits_to_be_told_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    damage(path)
    async with opened(path, Clock(known=False), max_size=1 << 20) as store:
        await fill(store)
        left = store.status().records["telemetry"]
    async with opened(path, Clock(known=True), max_size=1 << 20) as store:
        await store.flush()
        event, gap = await told(store)
        assert store.status().records["telemetry"] == left

    assert orjson.loads(event.payload)["name"] == "store_damaged"
    assert orjson.loads(gap.payload)["kinds"] == {"telemetry": 60 - left}


async def test_a_store_with_something_to_tell_rests_until_the_time_is_known(tmp_path: Path) -> None:
    damage(tmp_path / "store.db")
    async with opened(tmp_path / "store.db", Clock(known=False)) as store:
        await store.flush()
        commits = store.status().commits
        time.sleep(0.1)  # noqa: ASYNC251  # its thread is watched, not this loop

        assert store.status().commits == commits


async def test_empty_states_and_rows_are_kept_like_others(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", Clock(known=True)) as store:
        store.save_state("nothing", b"")
        store.save_row(_NOW, b"")
        await store.flush()
    async with opened(tmp_path / "store.db", Clock(known=True)) as store:
        assert store.load_state("nothing") == b""
        assert list(store.rows()) == [(_NOW, b"")]
