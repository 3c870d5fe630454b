import asyncio

from agent.board import Board


def test_the_latest_of_each_topic_stands_in_the_order_of_posting() -> None:
    board = Board()
    board.put("a/state", b"1")
    board.put("b/state", b"2")
    board.put("a/state", b"3")

    assert board.since(0) == (3, [("b/state", b"2"), ("a/state", b"3")])
    assert board.get("a/state") == b"3"
    assert board.get("c/state") is None


def test_what_does_not_change_is_no_news() -> None:
    board = Board()
    board.put("a/state", b"1")
    version, _ = board.since(0)
    board.put("a/state", b"1")

    assert board.since(version) == (version, [])


async def test_whoever_waits_is_told_of_changes_only() -> None:
    board = Board()
    board.put("a/state", b"1")
    version, _ = board.since(0)
    waiting = asyncio.create_task(board.changes(version))
    await asyncio.sleep(0)
    assert not waiting.done()
    board.put("b/state", b"2")

    async with asyncio.timeout(5):
        assert await waiting == (2, [("b/state", b"2")])
