"""The agent in this process: what keeps running when something in it does not."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent import duties as module
from agent.config import SiteConfig
from agent.process import crew
from agent.service import Agent
from agent.store import StoreError
from tests.agent.frames import configured, lost_frame
from tests.agent.running import Motor, running, until
from tests.modbus_rig import rig

SITE = """[site]
name = "works"

[store]
path = "store.db"
max_size = "4MiB"
commit_every = "50ms"

[[line]]
name = "hall"
url = "{url}"
timeout = "300ms"

[[line]]
name = "yard"
url = "tcp://127.0.0.1:1"

[[device]]
name = "motor-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
every = "100ms"

[windows]
spans = ["1min"]
tick = "{tick}"
publish = "100ms"
"""


def site(folder: Path, url: str = "tcp://127.0.0.1:2", tick: str = "100ms") -> SiteConfig:
    return configured(folder, SITE.format(url=url, tick=tick))


@pytest.mark.integration
async def test_a_run_gives_state_meta_status_and_windows(tmp_path: Path) -> None:
    async with rig("tcp") as device:
        agent = Agent(site(tmp_path, device.url))
        async with running(agent):
            await until(lambda: agent.scribe.counts["window"] >= 3 and agent.scribe.counts["telemetry"] >= 1)
            state = agent.snapshot()
            status = orjson.loads(agent.board.get("agent/status") or b"{}")

    assert state["devices"][0]["state"] == "online"
    assert state["stalled"] == []
    assert status["state"] == "online"
    assert orjson.loads(agent.board.get("agent/status") or b"{}")["state"] == "offline"
    meta = orjson.loads(agent.board.get("hall/motor-1/meta") or b"{}")
    assert meta["configuration"] == agent.config.digest
    assert agent.store.status().records["window"] >= 3


@pytest.mark.integration
async def test_a_part_that_fails_is_logged_and_started_again_while_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(crew, "_RESTART_S", 0.05)
    async with rig("tcp") as device:
        agent = Agent(site(tmp_path, device.url))
        publish, failures = agent.recorder.publish_windows, iter(range(3))

        def stumble() -> Iterator[None]:
            if next(failures, None) is not None:
                raise ZeroDivisionError("a bug")
            return publish()

        monkeypatch.setattr(agent.recorder, "publish_windows", stumble)
        async with running(agent):
            await until(lambda: agent.scribe.counts["window"] >= 2)
            assert agent.scribe.counts["frames"] >= 2

    assert [record.message for record in caplog.records if record.exc_info] == [
        "ticker failed and is started again"
    ] * 3


@pytest.mark.integration
@pytest.mark.parametrize("synchronised", [True, False, None])
async def test_windows_go_on_after_a_restart_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, synchronised: bool | None
) -> None:
    monkeypatch.setattr("agent.timekeeping.clock.synchronised", lambda: synchronised)
    monkeypatch.setenv("ENERGY_AGENT_CLOCK_WAIT_S", "0")
    motor = Motor()
    async with rig("tcp", motor) as device:
        agent = Agent(site(tmp_path, device.url))
        async with running(agent):
            await until(lambda: agent.scribe.counts["frames"] >= 12)
        before = figures(agent)
        after = Agent(site(tmp_path, device.url))
        async with running(after):
            await until(lambda: after.scribe.counts["frames"] >= 2 and after.scribe.counts["window"] >= 2)
            now = figures(after)

    first, *_, last = motor.served
    assert now["amount"] == pytest.approx((last - first) / 100, abs=0.3)
    assert now["amount"] > before["amount"] > 0
    assert now["coverage"] >= before["coverage"]


def figures(agent: Agent) -> dict[str, Any]:
    """Return the figures of the shortest window as of now."""
    list(agent.recorder.publish_windows())
    found: dict[str, Any] = orjson.loads(agent.recorder.latest_windows.json())[0]
    return found


async def test_rows_of_earlier_boots_are_taken_up_when_the_clock_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [False]
    monkeypatch.setattr("agent.timekeeping.clock.synchronised", lambda: clock[0])
    monkeypatch.setenv("ENERGY_AGENT_CLOCK_WAIT_S", "1e9")
    monkeypatch.setattr(module, "_TURN_S", 0.02)
    agent = Agent(site(tmp_path))
    asked: list[bool] = []
    monkeypatch.setattr(agent.bookkeeper, "restore_windows", lambda *_, trusted: asked.append(trusted))
    async with running(agent):
        await asyncio.sleep(0.1)
        assert asked == []
        clock[0] = True
        await until(lambda: len(asked) == 1)
        await asyncio.sleep(0.1)

    assert asked == [True], "once, when the clock is right"


@pytest.mark.integration
async def test_what_was_polled_before_the_time_was_known_is_booked_and_shown_once_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [False]
    monkeypatch.setattr("agent.timekeeping.clock.synchronised", lambda: clock[0])
    monkeypatch.setenv("ENERGY_AGENT_CLOCK_WAIT_S", "1e9")
    monkeypatch.setattr(module, "_TURN_S", 0.05)
    motor = Motor()
    async with rig("tcp", motor) as device:
        agent = Agent(site(tmp_path, device.url))
        async with running(agent):
            await until(lambda: len(agent.recorder.waiting) >= 12)
            before, status = agent.snapshot(), orjson.loads(agent.board.get("agent/status") or b"{}")
            written = agent.store.last_seq
            clock[0] = True
            await until(lambda: agent.scribe.counts["frames"] >= 15 and agent.scribe.counts["window"] >= 1)
            booked, (first, *_, last) = figures(agent), motor.served
            after, known = agent.snapshot(), orjson.loads(agent.board.get("agent/status") or b"{}")

    assert (before["clock"]["known"], before["clock"]["frames_waiting"] >= 12, written) == (False, True, 0)
    assert (status["clock_known"], "started" in status) == (False, False)
    assert (after["clock"]["known"], after["clock"]["frames_waiting"]) == (True, 0)
    assert (known["clock_known"], "started" in known) == (True, True)
    assert booked["amount"] == pytest.approx((last - first) / 100, abs=0.3), "the window has what came before, too"
    assert booked["coverage"] > 1.0 / 60


async def test_polls_that_never_get_a_time_are_counted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("agent.timekeeping.clock.synchronised", lambda: False)
    monkeypatch.setenv("ENERGY_AGENT_CLOCK_WAIT_S", "1e9")
    agent = Agent(site(tmp_path))
    (poller, _) = agent.pollers
    (motor,) = poller.devices
    agent.recorder.frame(motor, motor.cadences[0], lost_frame("motor-1", motor.profile, 1))
    async with running(agent):
        await asyncio.sleep(0.05)

    assert "polls lost, for the time was not known until the end: 1" in caplog.messages


async def test_slow_ticks_keep_neither_the_books_nor_the_watchdog_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("agent.service.notify", told.append)
    monkeypatch.setattr(module, "notify", told.append)
    monkeypatch.setattr(module, "watchdog_interval_s", lambda: 0.02)
    monkeypatch.setattr(module, "_TURN_S", 0.02)
    agent = Agent(site(tmp_path, tick="1min"))
    saved = []
    monkeypatch.setattr(agent.bookkeeper, "save", lambda: saved.append(1))
    monkeypatch.setattr(module, "_SAVE_S", 0.1)
    async with running(agent):
        await until(lambda: told.count("WATCHDOG=1") >= 5 and len(saved) >= 2)

    assert told[0] == "READY=1"
    assert "STOPPING=1" not in told, "a reload is no end: that is said by who knows"


async def test_the_watchdog_is_not_fed_while_a_line_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(module, "notify", told.append)
    monkeypatch.setattr(module, "watchdog_interval_s", lambda: 0.02)
    agent = Agent(site(tmp_path))
    (poller, _) = agent.pollers
    now = time.monotonic()

    poller._alive_at = poller._asker.alive_at = now - 31 - poller.longest_turn_s
    assert agent.duties.stalled() == ["line hall"]
    agent.duties._give_signs_of_life(now)
    assert told == []

    poller._alive_at = now
    agent.duties._give_signs_of_life(now)
    assert told == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("late", "stuck"), [({"tick": 29.0}, []), ({"tick": 32.0}, ["ticker"]), ({"turn": 32.0}, ["books"])]
)
async def test_a_loop_that_does_not_turn_is_named(tmp_path: Path, late: dict[str, float], stuck: list[str]) -> None:
    agent = Agent(site(tmp_path))
    for name, seconds in late.items():
        setattr(agent.duties._last_done, name, time.monotonic() - seconds)

    assert agent.duties.stalled() == stuck


async def test_a_store_whose_thread_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(site(tmp_path))
    monkeypatch.setattr(agent.store._writer, "_busy_ns", time.monotonic_ns() - 61 * 10**9)

    assert agent.duties.stalled() == ["store"]


async def test_a_line_without_devices_is_no_matter_for_the_watchdog(tmp_path: Path) -> None:
    agent = Agent(site(tmp_path))
    (_, empty) = agent.pollers
    empty._alive_at = empty._asker.alive_at = time.monotonic() - 3600

    assert agent.duties.stalled() == []


async def test_a_full_disk_at_the_end_is_said_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse() -> None:
        raise StoreError("store.db: disk full: make room")

    agent = Agent(site(tmp_path))
    async with running(agent):
        await until(lambda: agent.scribe.counts["window"] >= 1)
        monkeypatch.setattr(agent.store, "flush", refuse)

    assert "store.db: disk full: make room" in caplog.messages


async def test_intervals_wait_for_the_first_poll_of_every_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(site(tmp_path))
    closings: list[int] = []
    monkeypatch.setattr(agent.bookkeeper, "close_due", closings.append)
    (poller, _) = agent.pollers
    now = time.monotonic()

    assert not agent.duties._asked_all(now)
    poller.devices[0].polls = 1
    assert agent.duties._asked_all(now)
    poller.devices[0].polls = 0
    assert agent.duties._asked_all(now + 31), "a device that is never asked does not hold the others up"


async def test_health_is_told_in_figures_that_can_be_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(site(tmp_path))
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(agent.recorder, "health", told.append)
    agent.recorder.begin()

    agent.duties._give_signs_of_life(time.monotonic() + 60)

    assert orjson.loads(orjson.dumps(told[0]))["lines"][0]["line"] == "hall"


async def test_a_store_that_cannot_be_written_raises_an_alarm_that_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TURN_S", 0.05)
    monkeypatch.setattr("agent.store.upkeep.RETRY_S", 0.1)
    agent = Agent(site(tmp_path))
    async with running(agent):
        await until(lambda: agent.store.committed_seq > 0)
        database = agent.store._writer._upkeep.database
        assert database
        commit = database.commit

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(database, "commit", full)
        await until(lambda: b"disk is full" in (agent.board.get("agent/alarm/store") or b""))
        assert not agent.duties.stalled()
        monkeypatch.setattr(database, "commit", commit)
        await until(lambda: b'"active":false' in (agent.board.get("agent/alarm/store") or b""))


async def test_while_more_intervals_are_due_the_store_is_flushed_and_the_next_turn_comes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(site(tmp_path))
    turns: list[int] = []
    flushes: list[int] = []
    flush = agent.store.flush

    def close(_now_ns: int) -> bool:
        turns.append(len(flushes))
        return len(turns) < 20

    async def flushed() -> None:
        flushes.append(1)
        await flush()

    monkeypatch.setattr(agent.duties, "_asked_all", lambda _now: True)
    monkeypatch.setattr(agent.bookkeeper, "close_due", close)
    monkeypatch.setattr(agent.store, "flush", flushed)
    monkeypatch.setattr("agent.duties._TURN_S", 60.0)
    async with running(agent):
        await until(lambda: len(turns) == 20)

    # Seals and roll-ups flush the store too, when it is their time.
    assert all(later > earlier for earlier, later in pairwise(turns[:20])), "between two turns there is a flush"
