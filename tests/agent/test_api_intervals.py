"""The records of account over the local API: which, in what order, on which page."""

import asyncio
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.api.intervals import question
from agent.api.server import LocalApi
from agent.board import Board
from agent.record import rfc3339
from agent.sections import HttpSection
from agent.store import Store
from tests.agent.api_desk import Answer, Caller, Shelf, serving

pytestmark = pytest.mark.integration

NS = 10**9
EIGHT = 1_795_161_600 * NS
"""2026-11-20T08:00:00Z."""
DAY = "/api/v1/intervals?from=2026-11-20T08:00:00Z&to=2026-11-21T08:00:00Z"
ZONE = ZoneInfo("Asia/Shanghai")


def shown(answer: Answer) -> list[tuple[int, str, int]]:
    """Return number, account and revision of each record of an answer."""
    return [(record["seq"], record["account"], record["revision"]) for record in answer.content]


async def all_pages(caller: Caller, path: str) -> list[Answer]:
    """Follow the links from page to page."""
    pages = [await caller.ask(path)]
    while link := pages[-1].headers.get("Link"):
        target = re.fullmatch(r'<(/[^>]*)>; rel="next"', link)
        assert target is not None
        assert len(pages) < 50
        pages.append(await caller.ask(target[1]))
    return pages


async def test_intervals_are_given_as_they_were_booked_by_start_and_account(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        late = caller.shelf.interval(EIGHT + 900 * NS)
        other = caller.shelf.interval(EIGHT, "motor-1/electricity")
        first = caller.shelf.interval(EIGHT)
        caller.shelf.interval(EIGHT - 1)
        caller.shelf.interval(EIGHT + 86400 * NS)
        found = await caller.ask(DAY)

    assert found.body == b"[" + b",".join(record.payload for record in (first, other, late)) + b"]"
    assert (found.status, found.headers["Content-Type"]) == (200, "application/json")
    assert "Link" not in found.headers


async def test_of_each_interval_the_revision_in_force_is_given_unless_all_are_wanted(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        for revision in (0, 1):
            caller.shelf.interval(EIGHT, revision=revision)
        caller.shelf.interval(EIGHT, "motor-1/electricity")
        latest, every = await caller.ask(DAY), await caller.ask(f"{DAY}&revisions=all")
        of_motor = await caller.ask(f"{DAY}&account=motor-1/electricity")

    assert shown(latest) == [(2, "fan-1/electricity", 1), (3, "motor-1/electricity", 0)]
    assert shown(every) == [
        (1, "fan-1/electricity", 0),
        (2, "fan-1/electricity", 1),
        (3, "motor-1/electricity", 0),
    ]
    assert shown(of_motor) == [(3, "motor-1/electricity", 0)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("revisions", ["latest", "all"])
async def test_pages_together_are_the_whole_and_each_record_comes_once(
    tmp_path: Path, limit: int, revisions: str
) -> None:
    async with serving({}, tmp_path) as caller:
        for quarter in range(4):
            for account in ("b-1/steam", "a-1/electricity"):
                for revision in range(quarter):
                    caller.shelf.interval(EIGHT + quarter * 900 * NS, account, revision)
        path = f"{DAY}&revisions={revisions}"
        whole = (await caller.ask(path)).content
        pages = await all_pages(caller, f"{path}&limit={limit}")

    assert [record for page in pages for record in page.content] == whole
    assert len(whole) == {"latest": 6, "all": 12}[revisions]
    assert all(len(page.content) == limit for page in pages[:-1])


async def test_the_store_is_read_a_few_at_a_time_however_long_the_period_is(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        for number in range(3000):
            caller.shelf.interval(EIGHT + number * NS, "a-1/electricity" if number % 2 else "b-1/steam")
        pages = await all_pages(caller, f"{DAY}&account=a-1/electricity&limit=1000")

    assert [len(page.content) for page in pages] == [1000, 500]
    assert max(limit for _, _, limit in caller.shelf.asked) <= 500


async def test_more_records_of_one_start_than_are_read_at_once_are_kept_together(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        for revision in range(1200):
            caller.shelf.interval(EIGHT, revision=revision)
        caller.shelf.interval(EIGHT + 900 * NS)
        found = await caller.ask(DAY)

    assert shown(found) == [(1200, "fan-1/electricity", 1199), (1201, "fan-1/electricity", 0)]


async def test_a_correction_between_two_pages_is_not_missed(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        for quarter in range(3):
            caller.shelf.interval(EIGHT + quarter * 900 * NS)
        first = await caller.ask(f"{DAY}&limit=1")
        caller.shelf.interval(EIGHT + 900 * NS, revision=1)
        caller.shelf.interval(EIGHT, revision=1)
        link = first.headers["Link"]
        second = await caller.ask(link[1 : link.index(">")].replace("limit=1", "limit=9"))

    assert shown(first) == [(1, "fan-1/electricity", 0)]
    assert [record[0] for record in shown(second)] == [5, 4, 3]


def test_a_time_without_offset_is_of_the_sites_zone() -> None:
    local = question({"from": "2026-11-20T16:00", "to": "2026-11-21"}, ZONE)
    universal = question({"from": "2026-11-20T08:00:00Z", "to": "2026-11-20T16:00:00+00:00"}, ZONE)

    assert (local.start_ns, local.end_ns) == (EIGHT, EIGHT + 8 * 3600 * NS)
    assert (universal.start_ns, universal.end_ns) == (local.start_ns, local.end_ns)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "from is missing"),
        ("?from=2026-11-20", "to is missing"),
        ("?from=yesterday&to=today", "from=yesterday is no time"),
        ("?from=2026-11-20&to=", "to= is no time"),
        ("?from=2026-11-20&to=9999-12-31", "too far away"),
        ("?from=0001-01-01&to=2026-11-20", "too far away"),
        ("?from=2026-11-20&to=2026-11-21&limit=0", "limit=0: use 1 to 10000"),
        ("?from=2026-11-20&to=2026-11-21&limit=10001", "limit=10001: use 1 to 10000"),
        ("?from=2026-11-20&to=2026-11-21&limit=all", "limit=all: use 1 to 10000"),
        ("?from=2026-11-20&to=2026-11-21&revisions=newest", "revisions=newest: use latest or all"),
        ("?from=2026-11-20&to=2026-11-21&after=7", "after=7: take it from the link"),
        ("?from=2026-11-20&to=2026-11-21&after=99999999999999999999~0~x", "take it from the link"),
        ("?from=2026-11-20&to=2026-11-21&acount=x", "there is no parameter 'acount': use from, to, account"),
    ],
)
async def test_a_query_that_is_none_says_how_to_ask(tmp_path: Path, query: str, said: str) -> None:
    async with serving({}, tmp_path) as caller:
        status, body = await caller.get(f"/api/v1/intervals{query}")

    assert status == 400
    assert said in body["error"]
    assert "\n" not in body["error"]
    assert caller.shelf.asked == []


async def test_a_store_that_cannot_be_read_is_no_empty_store(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.degraded = "disk I/O error"
    async with serving({}, tmp_path, shelf=shelf) as caller:
        assert await caller.get(DAY) == (503, {"error": "store: store.db: disk I/O error"})


async def test_a_disk_that_hangs_does_not_let_the_caller_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object, **_given: object) -> list[Any]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("agent.api.server._STORE_S", 0.05)
    async with serving({}, tmp_path) as caller:
        monkeypatch.setattr(caller.shelf, "first_intervals", hangs)
        status, body = await caller.get(DAY)

    assert status == 503
    assert "did not answer within" in body["error"]


async def test_the_api_reads_and_hears_a_real_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", max_size=2**20, commit_every_s=0.05, sinks=[])
    await store.open()
    for number in range(3):
        body = {"account": "fan-1/electricity", "revision": 0, "amount": 1.5, "start": rfc3339(EIGHT)}
        store.append("interval", "hall/fan-1", EIGHT + number * 900 * NS, body)
    await store.flush()
    api = LocalApi(
        HttpSection(listen="127.0.0.1:0"),
        tmp_path,
        zone=ZONE,
        snapshot=dict,
        stalled=list,
        store=store,
        recorder=None,  # type: ignore[arg-type]  # is not asked
        board=Board(),
    )
    await api.start()
    try:
        caller = Caller(api, Shelf(), Board())
        pages = await all_pages(caller, f"{DAY}&limit=2")
        none = await caller.get(f"{DAY}&account=other/electricity")
        alive = await caller.get("/healthz")
    finally:
        await api.stop()
        await store.close()

    assert [record["seq"] for page in pages for record in page.content] == [1, 2, 3]
    assert none == (200, [])
    assert alive == (200, {"alive": True, "reasons": []})
