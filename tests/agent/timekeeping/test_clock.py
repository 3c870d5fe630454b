import ctypes
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.timekeeping import clock


@pytest.fixture(autouse=True)
def unasked() -> Iterator[None]:
    """Have the C library looked up anew."""
    clock._adjtimex.cache_clear()
    yield
    clock._adjtimex.cache_clear()


class Kernel:
    """Stands in for the C library: answers adjtimex with a status."""

    def __init__(self, status: int, answer: int = 0) -> None:
        self._status = status
        self._answer = answer

    def adjtimex(self, buffer: ctypes.Array[ctypes.c_char]) -> int:
        assert ctypes.sizeof(buffer) >= 208
        ctypes.c_int.from_buffer(buffer, 5 * ctypes.sizeof(ctypes.c_long)).value = self._status
        return self._answer


@pytest.mark.parametrize(
    ("kernel", "known"), [(Kernel(0x2001), True), (Kernel(0x2041), False), (Kernel(0, answer=-1), None)]
)
def test_the_kernel_says_whether_its_clock_is_disciplined(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, *, known: bool | None
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: kernel)

    assert clock.synchronised() is known


def test_a_system_that_does_not_say_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())

    assert clock.synchronised() is None


def test_to_ask_the_kernel_again_and_again_leaves_no_garbage() -> None:
    clock.synchronised()
    gc.collect()

    for _ in range(100):
        clock.synchronised()

    assert gc.collect() < 100


def test_this_machine_can_be_asked() -> None:
    assert clock.synchronised() in (True, False, None)


def test_a_boot_has_an_id_or_none_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(clock.boot_id()) == 36

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert clock.boot_id() == ""


def test_all_clocks_are_looked_at_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0, 50_000_000, 50_000_000, 50_000_100, 70_000_000])
    walls = iter([5_000, 7_000])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(ticks))
    monkeypatch.setattr(time, "time_ns", lambda: next(walls))

    seen = clock.look()

    assert (seen.wall_ns, seen.monotonic_ns) == (7_000, 50_000_050), "an interrupted look is made again"


@pytest.mark.parametrize(("said", "believed"), [("0", True), ("1e9", False), ("soon", True)])
def test_how_long_a_clock_is_waited_for_can_be_said(
    monkeypatch: pytest.MonkeyPatch, said: str, *, believed: bool
) -> None:
    monkeypatch.setattr(clock, "synchronised", lambda: False)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: 601 * 10**9)
    monkeypatch.setenv(clock.WAIT_VARIABLE, said)

    keeper = clock.timekeeper()
    keeper.look()

    assert keeper.believed is believed
