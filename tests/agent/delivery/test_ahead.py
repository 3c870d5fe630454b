"""Values that go to a receiver before they are committed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from agent.delivery import ahead, forward, pace
from agent.delivery.forward import Forwarder
from agent.record import Record
from agent.sinks import SinkUnavailable
from tests.agent.delivery.test_forward import Receiver, Shelf, records, rejecting, until

_REFUSED = 0x99


class PromptReceiver(Receiver):
    """A sink that takes single records at once, as many as it has room for, and answers when a test says so."""

    def __init__(self, room: int = 20) -> None:
        super().__init__()
        self.on_room: Callable[[], None] = lambda: None
        self.ahead: list[int] = []
        self.room = room
        self.fails = False
        self._waiting: list[asyncio.Future[int]] = []

    def offer(self, record: Record) -> asyncio.Future[int] | None:
        if self.fails:
            raise ZeroDivisionError
        if len(self._waiting) == self.room:
            return None
        self.ahead.append(record.seq)
        self._waiting.append(asyncio.get_running_loop().create_future())
        return self._waiting[-1]

    def took(self, answer: int) -> bool:
        return answer != _REFUSED

    def answer(self, code: int = 0) -> None:
        """Answer all that was given ahead."""
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.set_result(code)
        self.on_room()


@asynccontextmanager
async def delivering(shelf: Shelf, receiver: Receiver) -> AsyncIterator[Forwarder]:
    forwarder = Forwarder(shelf, receiver, first_pause_s=0.001, longest_pause_s=0.005)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: bool(shelf.offers))
    yield forwarder
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let a forwarder see a clock that a test sets [s]."""
    now = [1000.0]
    for module in (ahead, forward, pace):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


async def some_turns() -> None:
    """Let the forwarder look at the store a few times."""
    await asyncio.sleep(0.02)


async def test_a_value_is_sent_before_it_is_committed_and_not_again_behind() -> None:
    shelf, receiver = Shelf(records(1, 3)), PromptReceiver()
    async with delivering(shelf, receiver) as forwarder:
        shelf.append(*records(4, 6))
        assert receiver.ahead == [4, 5, 6]
        receiver.answer()
        await until(lambda: shelf.cursor == 3)
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 6)

        assert receiver.received == [1, 2, 3]
        assert {forwarder.status()[name] for name in ("sent", "acknowledged")} == {6}


async def test_nothing_is_settled_that_the_receiver_has_not_acknowledged() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver):
        shelf.append(*records(2, 3))
        shelf.uncommitted = 0
        await some_turns()
        assert shelf.cursor == 1
        receiver.answer()
        await until(lambda: shelf.cursor == 3)

    assert receiver.received == [1]


async def test_an_alarm_waits_for_no_value_that_went_ahead() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver):
        shelf.append(*records(2, 2))
        shelf.kept += records(3, 3, "alarm")
        shelf.uncommitted = 0
        await some_turns()
        shelf.kept += records(4, 4, "alarm")
        receiver.answer()
        await until(lambda: shelf.cursor == 4)

    assert receiver.received[-2:] == [3, 4]


async def test_what_was_not_answered_when_the_connection_ended_is_sent_again() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver) as forwarder:
        shelf.append(*records(2, 3))
        receiver.cut.set()
        await until(lambda: receiver.sessions == 2)
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 3)

        assert receiver.received == [1, 2, 3]
        assert forwarder.status()["acknowledged"] == 3


async def test_what_was_answered_before_the_connection_ended_is_not_sent_again_once_it_is_committed() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver):
        shelf.append(*records(2, 3))
        receiver.answer()
        receiver.cut.set()
        await until(lambda: receiver.sessions == 2 and bool(shelf.offers))
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 3)

    assert receiver.received == [1]


async def test_a_value_refused_ahead_is_refused_once_more_by_its_lane_and_set_aside_there() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver) as forwarder:
        await until(lambda: shelf.cursor == 1)
        receiver.script = [rejecting(2)]
        shelf.append(*records(2, 3))
        receiver.answer(_REFUSED)
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 3)
        assert forwarder.status()["errors"] == 2

    assert shelf.refused == [(2, "poisoned")]
    assert receiver.received == [1, 3]


async def test_values_wait_for_room_in_their_order_and_go_as_soon_as_there_is_some() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver(room=2)
    async with delivering(shelf, receiver):
        shelf.append(*records(2, 6))
        assert receiver.ahead == [2, 3]
        receiver.answer()
        assert receiver.ahead == [2, 3, 4, 5]
        receiver.answer()
        receiver.answer()
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 6)

    assert receiver.received == [1]


async def test_what_still_waits_for_room_when_it_is_committed_goes_by_its_lane_alone() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver(room=2)
    async with delivering(shelf, receiver):
        shelf.append(*records(2, 1500))
        shelf.uncommitted = 0
        await some_turns()
        receiver.answer()
        await until(lambda: shelf.cursor == 1500)

    assert receiver.ahead == [2, 3]
    assert receiver.received == [1, *range(4, 1501)]


async def test_no_value_overtakes_an_older_one_of_its_device_that_was_there_before_the_connection() -> None:
    shelf, receiver = Shelf(records(1, 2)), PromptReceiver()
    shelf.uncommitted = 1
    async with delivering(shelf, receiver):
        shelf.append(*records(3, 3))
        await some_turns()
        shelf.append(*records(4, 4))
        assert receiver.ahead == []
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 4)
        shelf.append(*records(5, 5))
        receiver.answer()

    assert receiver.received == [1, 2, 3, 4]
    assert receiver.ahead == [5]


async def test_no_value_overtakes_an_older_one_of_its_device_that_had_to_wait_for_its_commit() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver):
        await until(lambda: shelf.cursor == 1)
        shelf.unpromised = True
        shelf.append(*records(2, 2))
        shelf.unpromised = False
        shelf.append(*records(3, 3), *records(4, 4, key="hall/other"))
        assert receiver.ahead == [4]
        receiver.answer()
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 4)

    assert receiver.received == [1, 2, 3]


async def test_no_value_overtakes_an_older_one_of_its_device_that_waited_for_room_until_it_was_committed() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver(room=2)
    async with delivering(shelf, receiver):
        await until(lambda: shelf.cursor == 1)
        shelf.append(*records(2, 3), *records(4, 5, key="hall/other"))
        shelf.uncommitted = 1
        await some_turns()
        shelf.append(*records(6, 6, key="hall/other"), *records(7, 7))
        receiver.answer()
        assert receiver.ahead == [2, 3, 7]
        receiver.answer()
        await until(lambda: len(receiver.ahead) == 5)
        receiver.answer()
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 7)

    assert receiver.ahead == [2, 3, 7, 5, 6]
    assert receiver.received == [1, 4]


async def test_what_came_while_older_values_went_by_their_lane_goes_ahead_right_behind_them() -> None:
    shelf, receiver = Shelf(records(1, 2)), PromptReceiver()

    def bring_more(_: Receiver, batch: Sequence[Record]) -> None:
        shelf.append(*records(3, 4))
        receiver.take(batch)

    receiver.script = [bring_more]
    async with delivering(shelf, receiver):
        await until(lambda: receiver.ahead == [3, 4])
        shelf.append(*records(5, 5))
        assert receiver.ahead == [3, 4, 5]
        receiver.answer()

    assert receiver.received == [1, 2]


async def test_what_had_to_wait_for_its_commit_is_not_forgotten_when_an_older_value_is_left_after_it() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver(room=2)
    async with delivering(shelf, receiver):
        await until(lambda: shelf.cursor == 1)
        shelf.append(*records(2, 4))
        shelf.unpromised = True
        shelf.append(*records(5, 5))
        shelf.unpromised = False
        shelf.uncommitted = 1
        await some_turns()
        receiver.answer()
        await until(lambda: shelf.cursor == 4)
        shelf.append(*records(6, 6))
        assert receiver.ahead == [2, 3]
        shelf.uncommitted = 1
        await until(lambda: receiver.ahead == [2, 3, 6])
        receiver.answer()

    assert receiver.received == [1, 4, 5]


async def test_no_value_overtakes_an_older_one_of_its_device_that_was_refused() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver):
        await until(lambda: shelf.cursor == 1)
        shelf.append(*records(2, 2))
        receiver.answer(_REFUSED)
        shelf.append(*records(3, 3), *records(4, 4, key="hall/other"))
        assert receiver.ahead == [2, 4]
        receiver.answer()
        shelf.uncommitted = 2
        await until(lambda: receiver.ahead == [2, 4, 3])
        receiver.answer()

    assert receiver.received == [1, 2]


async def test_a_live_lane_that_has_nothing_to_send_holds_no_value_back() -> None:
    shelf, receiver = Shelf(records(1, 500)), PromptReceiver()

    def cut(_: Receiver, _batch: Sequence[Record]) -> None:
        raise SinkUnavailable("cut")

    def bring_more(_: Receiver, batch: Sequence[Record]) -> None:
        assert receiver.sessions == 2
        shelf.append(*records(501, 501))
        assert receiver.ahead == [501]
        receiver.take(batch)

    receiver.script = [Receiver.take, cut, bring_more]
    async with delivering(shelf, receiver):
        await until(lambda: bool(receiver.ahead))
        receiver.answer()
        await until(lambda: shelf.cursor == 500)

    assert receiver.received == [*range(1, 501)]


async def test_what_is_no_longer_fresh_is_overtaken() -> None:
    shelf, receiver = Shelf(records(1, 500)), PromptReceiver()

    def bring_more(_: Receiver, batch: Sequence[Record]) -> None:
        shelf.append(*records(501, 501))
        receiver.take(batch)

    receiver.script = [bring_more]
    async with delivering(shelf, receiver):
        assert receiver.ahead == [501]
        receiver.answer()
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 501)

    assert receiver.received == [*range(1, 501)]


async def test_what_waits_for_room_goes_when_there_is_some_though_a_newer_one_of_its_device_was_left() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver(room=2)
    async with delivering(shelf, receiver):
        await until(lambda: shelf.cursor == 1)
        shelf.append(*records(2, 5))
        shelf.unpromised = True
        shelf.append(*records(6, 6))
        receiver.answer()
        assert receiver.ahead == [2, 3, 4, 5]
        receiver.answer()
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 6)

    assert receiver.received == [1, 6]


async def test_of_a_burst_only_so_much_is_under_way_ahead_that_an_alarm_does_not_wait_long_for_it(
    clock: list[float],
) -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver(room=1000)
    async with delivering(shelf, receiver):
        shelf.append(*records(2, 201))
        assert receiver.ahead == [*range(2, 34)]
        clock[0] += 0.01
        receiver.answer()
        await some_turns()
        assert receiver.ahead == [*range(2, 98)]  # it was answered quickly: twice as much
        clock[0] += 0.01
        receiver.answer()
        await some_turns()
        assert receiver.ahead == [*range(2, 202)]
        receiver.answer()


async def test_answers_that_come_at_once_leave_the_pace_as_it_is_however_long_nothing_follows(
    clock: list[float],
) -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver(room=1000)
    async with delivering(shelf, receiver):
        for polls in range(4):
            shelf.append(*records(2 + 4 * polls, 5 + 4 * polls))
            receiver.answer()
            clock[0] += 1.1
        shelf.append(*records(18, 60))

        assert receiver.ahead[16:] == [*range(18, 50)]
        receiver.answer()


async def test_a_sink_that_stumbles_over_a_value_costs_nothing_and_gets_it_by_its_lane(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver):
        receiver.fails = True
        shelf.append(*records(2, 4))
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 4)

    assert receiver.received == [1, 2, 3, 4]
    assert [line.levelname for line in caplog.records] == ["ERROR"]


async def test_nothing_goes_ahead_while_a_record_is_sought_that_ends_connections() -> None:
    shelf, receiver = Shelf(records(1, 20)), PromptReceiver()

    def end(_: Receiver, _batch: Sequence[Record]) -> None:
        raise SinkUnavailable("closed", unsaid=True)

    def bring_more(_: Receiver, batch: Sequence[Record]) -> None:
        shelf.append(*records(21, 22))
        receiver.take(batch)

    receiver.script = [end, end, bring_more]
    async with delivering(shelf, receiver):
        await until(lambda: shelf.last_seq == 22)
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 22)

    assert receiver.ahead == []
    assert receiver.received == [*range(1, 23)]


async def test_a_value_under_way_as_a_connection_ends_is_no_suspect_of_those_that_cannot_even_be_made() -> None:
    shelf, receiver = Shelf(records(1, 1)), PromptReceiver()
    async with delivering(shelf, receiver):
        shelf.append(*records(2, 3))
        receiver.refuse = SinkUnavailable("closed", unsaid=True)
        receiver.cut.set()
        await until(lambda: receiver.sessions > 20)
        receiver.refuse = None
        shelf.uncommitted = 0
        await until(lambda: shelf.cursor == 3)
        shelf.append(*records(4, 4))

    assert receiver.ahead == [2, 3, 4]
    assert shelf.refused == []
