"""In which order records go when there are more than a moment's worth."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from agent.delivery import forward, pace
from agent.delivery.forward import Forwarder
from agent.record import Record
from tests.agent.delivery.test_forward import Receiver, Shelf, unavailable_after, until

HOUR_NS = 3600 * 10**9


def record(seq: int, age_s: float, kind: str = "telemetry", device: str = "meter") -> Record:
    return Record(seq, kind, f"hall/{device}", time.time_ns() - round(age_s * 1e9), b"{}")


def old(count: int) -> list[Record]:
    return [record(seq, 7200 - seq / 10, device=f"meter-{seq % 3}") for seq in range(1, count + 1)]


class Plant:
    """Goes on measuring while a receiver takes batches."""

    def __init__(self, shelf: Shelf, receiver: Receiver, *, each: int = 3, batches: int = 20) -> None:
        self.shelf = shelf
        self.receiver = receiver
        self.each = each
        self.batches = batches
        self.measured: dict[int, int] = {}
        """How much had been received when a record was measured."""
        receiver.script = [self.measure] * batches

    def measure(self, receiver: Receiver, batch: Sequence[Record]) -> None:
        receiver.take(batch)
        for _ in range(self.each):
            seq = self.shelf.last_seq + 1
            self.shelf.kept.append(record(seq, 0))
            self.measured[seq] = len(receiver.received)


async def run(shelf: Shelf, receiver: Receiver, done: Callable[[], bool]) -> Forwarder:
    forwarder = Forwarder(shelf, receiver, first_pause_s=0.001, longest_pause_s=0.005)
    task = asyncio.create_task(forwarder.run())
    await until(done)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return forwarder


async def test_fresh_values_pass_the_backlog_and_everything_comes_once() -> None:
    shelf, receiver = Shelf(old(8000)), Receiver()
    plant = Plant(shelf, receiver)
    await run(shelf, receiver, lambda: shelf.cursor == shelf.last_seq > 8000)

    assert sorted(receiver.received) == list(range(1, shelf.last_seq + 1))
    assert [seq for seq in receiver.received if seq <= 8000] == list(range(1, 8001)), "oldest first"
    assert [seq for seq in receiver.received if seq > 8000] == sorted(plant.measured), "in their order too"
    waited = [receiver.received.index(seq) - before for seq, before in plant.measured.items()]
    assert max(waited) <= forward._MOST + 2 * plant.each, "no more than one batch goes before them"
    assert receiver.received.index(8000) > receiver.received.index(8001)


async def test_fresh_is_judged_by_the_known_time_and_not_by_the_wall_clock() -> None:
    shelf, receiver = Shelf([record(seq, 7200) for seq in range(1, 3001)]), Receiver()
    shelf.off_ns = -7200 * 10**9
    Plant(shelf, receiver)
    await run(shelf, receiver, lambda: shelf.cursor == shelf.last_seq > 3000)

    assert receiver.received == list(range(1, shelf.last_seq + 1))


async def test_values_that_are_fresh_keep_one_lane() -> None:
    shelf, receiver = Shelf([record(seq, 0.5) for seq in range(1, 3001)]), Receiver()
    Plant(shelf, receiver)
    await run(shelf, receiver, lambda: shelf.cursor == shelf.last_seq > 3000)

    assert receiver.received == list(range(1, shelf.last_seq + 1))


async def test_alarms_go_before_everything_that_waits() -> None:
    kept = old(3000)
    for seq in (500, 2500):
        kept[seq - 1] = record(seq, 3600, "alarm")
    shelf, receiver = Shelf(kept), Receiver()
    await run(shelf, receiver, lambda: shelf.cursor == 3000)

    assert receiver.received[:2] == [500, 2500]
    assert sorted(receiver.received) == list(range(1, 3001))


async def test_an_alarm_raised_while_the_backlog_drains_waits_for_one_batch_at_most() -> None:
    shelf, receiver = Shelf(old(6000)), Receiver()

    def raise_alarm(receiver: Receiver, batch: Sequence[Record]) -> None:
        receiver.take(batch)
        shelf.kept.append(record(6001, 0, "alarm"))

    receiver.script = [raise_alarm]
    await run(shelf, receiver, lambda: shelf.cursor == 6001)

    assert receiver.received.index(6001) <= 64


async def test_a_link_too_slow_for_all_of_it_still_carries_what_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.time_ns()]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    monkeypatch.setattr(forward, "_MOST", 16)
    monkeypatch.setattr(pace, "_TURN_S", float("inf"))  # the real clock, should this process stand still, cuts no batch
    shelf, receiver = Shelf(old(500)), Receiver()
    ages: list[float] = []

    def carry(receiver: Receiver, batch: Sequence[Record]) -> None:
        """Take a second for a batch, in which ten batches are measured."""
        receiver.take(batch)
        ages.append((now[0] - batch[-1].time_ns) / 1e9)
        now[0] += 10**9
        for n in range(160):
            shelf.kept.append(Record(shelf.last_seq + 1, "telemetry", "hall/meter", now[0] - n, b"{}"))

    receiver.script = [carry] * 100
    await run(shelf, receiver, lambda: not receiver.script)

    assert all(min(several) < forward._FRESH_S + 2 for several in zip(*(ages[n:] for n in range(2, 6)), strict=False))
    assert receiver.received.index(500) < 1600, "and the backlog has its turns"
    assert len(set(receiver.received)) == len(receiver.received)


async def test_whatever_fails_everything_comes_and_each_lane_keeps_its_order() -> None:
    chance = random.Random(7)  # noqa: S311  # a test's choices
    shelf, receiver = Shelf(old(2000)), Receiver()
    plant = Plant(shelf, receiver, each=2, batches=40)
    receiver.script = [
        unavailable_after(chance.randrange(40)) if chance.random() < 0.5 else behave for behave in receiver.script
    ]
    await run(shelf, receiver, lambda: shelf.cursor == shelf.last_seq > 2000 and not receiver.script)

    assert set(receiver.received) == set(range(1, shelf.last_seq + 1))
    first = dict.fromkeys(receiver.received)
    assert all(a < b for a, b in pairwise(seq for seq in first if seq <= 2000))
    assert all(a < b for a, b in pairwise(seq for seq in first if seq > 2000))
    assert plant.measured


async def test_a_batch_is_as_large_as_the_link_carries_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    per_record_s, sizes = 0.0, []
    shelf, receiver = Shelf(old(20000)), Receiver()

    async def send(batch: Sequence[Record]) -> None:
        receiver.take(batch)
        sizes.append(len(batch))
        clock[0] += per_record_s * len(batch)

    forwarder = Forwarder(shelf, receiver)
    receiver.send = send  # type: ignore[method-assign]
    for _ in range(8):
        await forwarder._turn(receiver)
    assert max(sizes) == forward._MOST
    per_record_s = 0.02
    for _ in range(8):
        await forwarder._turn(receiver)
    assert 0.25 <= sizes[-1] * per_record_s <= 1.0
