"""The chain of records that prove something: what is in it, how long it is kept, and how seals are signed."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import orjson
import pytest
import rfc8785

from agent.audit.verify import verify_chain
from agent.record import CHAINED, KINDS, Record
from agent.store import GENESIS, Lane, Store, read_chained, read_intervals

_NOW = 1_795_162_800_000_000_000


@asynccontextmanager
async def opened(path: Path, *, max_size: int = 64 << 20) -> AsyncIterator[Store]:
    store = Store(path, max_size=max_size, commit_every_s=0.02, sinks=("mqtt",), site="works")
    store.sign_with(lambda content: hashlib.md5(content, usedforsecurity=False).hexdigest())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def fill(store: Store, rounds: int, pad: int = 0) -> list[Record]:
    """Append records of every kind in turns."""
    return [
        store.append(
            kind, "hall/meter", _NOW + number, {"schema": f"energy-agent/{kind}/1", "n": number, "pad": "p" * pad}
        )
        for number in range(rounds)
        for kind in KINDS
    ]


async def drain(store: Store) -> None:
    await store.flush()
    for lane in Lane:
        while batch := await store.peek("mqtt", 1000, lane=lane):
            await store.acknowledge("mqtt", batch[-1].seq)
    await store.flush()


async def test_one_chain_runs_through_all_kinds_that_prove_something(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        appended = fill(store, 3)
        await store.flush()
        found = await store.chained(0, 1000)

    assert found == [record for record in appended if record.kind in CHAINED]
    previous = GENESIS
    for record in found:
        body = orjson.loads(record.payload)
        stated = body.pop("hash")
        if record.kind == "seal":
            signature = body.pop("signature")
            assert signature == hashlib.md5(rfc8785.dumps(body), usedforsecurity=False).hexdigest()
        assert body["previous"] == previous
        assert stated == "sha256:" + hashlib.sha256(rfc8785.dumps(body)).hexdigest()
        previous = stated


async def test_a_signature_counts_as_content_where_it_is_none_of_a_seal(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        plain = store.append("event", "agent", _NOW, {"text": "x"})
        signed = store.append("event", "agent", _NOW, {"text": "x", "signature": "y"})
        body = orjson.loads(signed.payload)
        stated = body.pop("hash")

        assert stated == "sha256:" + hashlib.sha256(rfc8785.dumps(body)).hexdigest()
        assert body["previous"] == orjson.loads(plain.payload)["hash"]


async def test_a_seal_needs_a_key(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", max_size=64 << 20, commit_every_s=0.02, sinks=())
    await store.open()
    with pytest.raises(ValueError, match="no key to sign"):
        store.append("seal", "agent", _NOW, {})
    assert store.last_seq == 0
    await store.close()


async def test_the_chain_stays_when_it_is_delivered_and_the_rest_goes(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        appended = fill(store, 400)
        await drain(store)
        store.append("telemetry", "hall/meter", _NOW, {})
        await store.flush()

        assert [r.seq for r in await store.chained(0, 9999)] == [r.seq for r in appended if r.kind in CHAINED]
        assert "health" not in store.status().records


async def test_a_full_store_drops_telemetry_before_anything_of_the_chain(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20) as store:
        first = fill(store, 1)
        for _ in range(20):
            for number in range(200):
                store.append("telemetry", "hall/meter", _NOW, {"n": number, "pad": "p" * 300})
            await store.flush()

        kept = await store.chained(0, 1000)
        assert kept[: len(CHAINED)] == [record for record in first if record.kind in CHAINED]
        assert {record.kind for record in kept[len(CHAINED) :]} == {"gap"}
        assert store.status().dropped["telemetry"] > 0


async def test_only_intervals_and_roll_ups_are_found_by_their_start(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        fill(store, 2)
        await store.flush()
        assert {record.kind for record in await store.intervals(0, 1 << 62, kind="*")} == {"interval", "rollup"}
        assert {record.kind for record in await store.first_intervals(0, 1 << 62, 99)} == {"interval"}
        assert {record.kind for record in read_intervals(path, 0, 1 << 62, kind="*")} == {"interval", "rollup"}


async def test_a_reader_beside_the_agent_sees_the_chain_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    monkeypatch.setattr("agent.store.reader._AT_ONCE", 7)
    async with opened(path) as store:
        appended = fill(store, 10)
        await store.flush()

        assert list(read_chained(path)) == [record for record in appended if record.kind in CHAINED]


async def test_a_store_of_before_goes_on_and_its_events_are_still_delivered(tmp_path: Path) -> None:
    """Its events stand in the table of what is pruned, outside the chain."""
    path = tmp_path / "store.db"
    async with opened(path) as store:
        old = fill(store, 2)
        await store.flush()
    events = [record for record in old if record.kind in {"event", "gap"}]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO event_record SELECT * FROM interval_record WHERE kind IN ('event', 'gap')")
        connection.execute("DELETE FROM interval_record WHERE kind IN ('event', 'gap')")
    async with opened(path) as store:
        found = await store.peek("mqtt", 1000)
        assert [record for record in found if record.kind in {"event", "gap"}] == events
        following = store.append("event", "agent", _NOW, {"text": "new"})
        await store.flush()
        chain = await store.chained(0, 1000)
        assert chain[-1] == following
        assert orjson.loads(following.payload)["previous"] == orjson.loads(chain[-2].payload)["hash"]


async def test_a_hole_in_the_chain_is_told_even_where_every_receiver_has_what_was_there(tmp_path: Path) -> None:
    """The live lane delivers what is young; the old that waits behind an outage stays, and a hole between is told."""
    async with opened(tmp_path / "store.db", max_size=512 << 10) as store:
        store.append("interval", "hall/meter", _NOW, {"schema": "energy-agent/interval/1", "n": 0})
        await store.flush()
        for number in range(1, 1500):
            live = store.append(
                "interval", "hall/meter", _NOW, {"schema": "energy-agent/interval/1", "n": number, "pad": "p" * 400}
            )
            if number % 25 == 0:
                await store.flush()
                while batch := await store.peek("mqtt", 1000, after=1):
                    await store.acknowledge("mqtt", batch[-1].seq)
        await store.flush()
        kept = [orjson.loads(record.payload) for record in await store.chained(0, 9999)]
        told = [body for body in kept if body.get("schema") == "energy-agent/gap/1"]

    assert live.seq > 1400
    assert kept[0]["n"] == 0, "the oldest, which nobody has yet, is still there"
    assert kept[1]["seq"] > 100, "and behind it is a hole"
    assert any(body["from_seq"] <= 2 and "interval" in body["kinds"] for body in told)
    assert not verify_chain(orjson.dumps(body) for body in kept).findings
