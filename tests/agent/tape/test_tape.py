"""What is told to a tape is written, or costs at least nobody a poll."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from agent.tape import NO_TAPE, WritingTape
from agent.tape.notes import Begun, Books, Clock, Received, TapeError, body_of, note_of
from drivers.capture import CaptureWriter, Note, read_capture
from drivers.capture.thread import WriterThread
from tests.agent.replay.works import Works


class _Full:
    """A writer that cannot write."""

    def __getattr__(self, name: str) -> Any:
        def fails(*_: object) -> None:
            raise TypeError(name)

        return fails


async def test_a_capture_that_fails_costs_no_poll(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(30)
    works.writer = _Full()  # type: ignore[assignment]  # a broken one
    await works.run(60)
    await works.stop()
    assert caplog.text.count("the capture is not complete") == 1
    assert works.scribe.counts["interval"] > 0


async def test_polls_are_marked_and_only_what_a_mark_cannot_say_is_written_out(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    works.now.monotonic_ns += 1
    await works.run(50)
    kinds = [item.kind for item in works.reels[0].items if isinstance(item, Note)]
    assert set(kinds) <= {"books", "clock", "begun", "learned", "interval"}
    assert kinds[:3] == ["books", "clock", "begun"]
    await works.stop()


def test_the_clock_is_told_of_when_it_changes() -> None:
    told: list[Note] = []
    capture = SimpleNamespace(writer=SimpleNamespace(note=told.append), on_opened=None)
    tape = WritingTape(capture, lambda *_: None)  # type: ignore[arg-type]  # no books are asked for
    for right in (True, True, False, False):
        tape.clock(right=right, vouched=True)
    assert [note.body for note in told] == [{"right": True, "vouched": True}, {"right": False, "vouched": True}]


def test_an_interval_is_written_at_once_with_all_it_stands_on_for_it_may_be_committed_and_the_agent_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WriterThread, "_rest_s", lambda _: 60.0)
    writer = CaptureWriter(tmp_path, site="works", version="1", boot_id="b", max_size=1 << 30)
    tape = WritingTape(SimpleNamespace(writer=writer, on_opened=None), lambda *_: None)  # type: ignore[arg-type]  # no books are asked for
    writer.configure("sha256:abc", {})
    writer.start()
    try:
        tape.clock(right=True, vouched=True)
        time.sleep(0.1)
        assert not list(tmp_path.iterdir())
        tape.interval(b"{}", 1)
        deadline = time.monotonic() + 10
        while b"MESSAGE=interval" not in b"".join(file.read_bytes() for file in tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [note.kind for note in read_capture([tmp_path]) if isinstance(note, Note)] == ["clock", "interval"]
    finally:
        writer.close()


def test_an_agent_without_a_capture_tells_nobody() -> None:
    NO_TAPE.note(Begun())
    NO_TAPE.booked(1)
    assert type(NO_TAPE).__dict__.keys() >= {"exchange", "polled", "refused", "booked", "clock", "note", "interval"}


@pytest.mark.parametrize("note", [Begun(), Clock(True, False), Received("steam", [1, 2, 3.5, "", "", ""])])
def test_a_note_is_read_back_as_it_was(note: Begun | Clock | Received) -> None:
    assert note_of(note.kind, orjson.loads(orjson.dumps(body_of(note)))) == note


def test_notes_of_others_are_left_alone_and_broken_ones_are_refused() -> None:
    assert note_of("removed", {"file": "x"}) is None
    with pytest.raises(TapeError, match="'clock' lacks 'vouched'"):
        note_of(Clock.kind, {"right": True})
    assert Books.kind == "books"
