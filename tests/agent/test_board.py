import asyncio
import tracemalloc
from unittest.mock import Mock

import pytest

from agent.board import Board
from agent.record import as_json


def test_the_latest_of_each_topic_stands_in_the_order_of_posting() -> None:
    board = Board()
    board.put("a/state", b"1")
    board.put("b/state", b"2")
    board.put("a/state", b"3")

    version, posted = board.since(0)
    assert version == 3
    assert list(posted) == [("b/state", b"2"), ("a/state", b"3")]
    assert board.get("a/state") == b"3"
    assert board.get("c/state") is None


def test_what_does_not_change_is_no_news() -> None:
    board = Board()
    board.put("a/state", b"1")
    version, _ = board.since(0)
    board.put("a/state", b"1")

    now, posted = board.since(version)
    assert now == version
    assert not list(posted)


def test_a_large_message_comes_back_as_it_was_posted_and_takes_little_until_then() -> None:
    board, large = Board(), b'{"label": "active power"}' * 200
    board.put("a/meta", large)
    version, posted = board.since(0)
    board.put("a/meta", bytes(large))

    assert list(posted) == [("a/meta", large)]
    assert board.get("a/meta") == large
    assert board.since(version)[0] == version
    tracemalloc.start()
    for number in range(100):
        board.put(f"{number}/meta", large)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100 * len(large) / 5


async def test_whoever_waits_is_told_of_changes_only() -> None:
    board = Board()
    board.put("a/state", b"1")
    version, _ = board.since(0)
    waiting = asyncio.create_task(board.changes(version))
    await asyncio.sleep(0)
    assert not waiting.done()
    board.put("b/state", b"2")

    async with asyncio.timeout(5):
        now, posted = await waiting
    assert now == 2
    assert list(posted) == [("b/state", b"2")]


class Memory(dict[str, bytes]):
    """What outlives a run."""

    def load_state(self, name: str) -> bytes | None:
        return self.get(name)

    def save_state(self, name: str, value: bytes) -> None:
        self[name] = value


def board_of(memory: Memory, *devices: str) -> Board:
    """Return the board of a run with these devices, as it is before the first poll."""
    board = Board()
    for device in devices:
        board.put(f"{device}/meta", b"{}")
    board.remember(memory, known=lambda place: place in devices)
    return board


def removals(board: Board) -> set[str]:
    return {topic for topic, payload in board.since(0)[1] if not payload}


def test_what_an_earlier_run_left_of_a_device_that_is_gone_is_removed() -> None:
    memory = Memory()
    board = board_of(memory, "hall/a", "hall/b")
    for topic in ("hall/a/state", "hall/b/state", "hall/b/alarm/comm_lost"):
        board.put(topic, b"{}")

    assert removals(board_of(memory, "hall/a")) == {"hall/b/meta", "hall/b/state", "hall/b/alarm/comm_lost"}


def test_an_alarm_that_ended_unheard_does_not_stand_for_ever() -> None:
    memory = Memory()
    board_of(memory, "hall/a").put("hall/a/alarm/comm_lost", b'{"active":true}')

    assert removals(board_of(memory, "hall/a")) == {"hall/a/alarm/comm_lost"}


def test_a_new_topic_makes_nobody_write_down_all_others_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, written = Memory(), Mock(wraps=as_json)
    board = board_of(memory, "hall/a", "hall/b")
    monkeypatch.setattr("agent.board.as_json", written)
    topics = [f"hall/{device}/alarm/{number}" for device in "ab" for number in range(20)]
    for topic in topics:  # a plant comes back, and each of its lines has an alarm that it never had
        board.put(topic, b"{}")

    assert [call.args for call in written.call_args_list] == [(topic,) for topic in topics]
    assert removals(board_of(memory)) == {"hall/a/meta", "hall/b/meta", *topics}


def test_a_removal_is_repeated_in_each_run_until_it_is_acknowledged_and_then_forgotten() -> None:
    memory = Memory()
    board_of(memory, "hall/a").put("hall/a/meta", b"")
    board = board_of(memory)
    assert removals(board) == {"hall/a/meta"}

    board.removed("hall/a/meta")

    assert removals(board) == set()
    assert removals(board_of(memory)) == set()


def test_an_acknowledged_removal_takes_nothing_away_that_was_posted_since() -> None:
    memory = Memory()
    board = board_of(memory)
    board.put("hall/a/meta", b"")
    board.put("hall/a/meta", b"{}")
    board.removed("hall/a/meta")

    assert board.get("hall/a/meta") == b"{}"
    assert removals(board_of(memory)) == {"hall/a/meta"}
