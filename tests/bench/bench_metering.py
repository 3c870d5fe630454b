"""What the heart costs: ring, windows, counters and intervals, in microseconds."""

import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

import numpy as np

from agent.metering.amount import NS_PER_S, Reading
from agent.metering.counter import Counter
from agent.metering.interval import IntervalBook
from agent.metering.window import Windows

_START_NS = 1_790_000_000 * NS_PER_S
_COLUMNS = 20_000
_SPANS_S = (60.0, 900.0, 3600.0, 86400.0)
_REPEATS = 7


def _best_us(work: Callable[[], object], rounds: int) -> float:
    """Return the cost of one call [µs]: the best of several rounds, since only noise adds to it."""
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.perf_counter_ns()
        for _ in range(rounds):
            work()
        best = min(best, (time.perf_counter_ns() - began) / rounds / 1e3)
    return best


def windows() -> dict[str, float]:
    """Return the cost of ticks and windows over 20,000 columns, each span alone and all four with the tick."""
    rolling = Windows(_COLUMNS, tick_s=1.0, spans_s=_SPANS_S)
    row = np.arange(_COLUMNS, dtype=np.float64)
    seconds = count()

    def tick() -> None:
        np.add(row, 1.0, out=row)
        rolling.tick(_START_NS + next(seconds) * NS_PER_S, row)

    def tick_and_all_windows() -> None:
        tick()
        for span_s in _SPANS_S:
            rolling.difference(span_s)

    for _ in range(2_000):
        tick()
    figures = {
        f"window_{span_s:g}s_20000_columns_us": _best_us(partial(rolling.difference, span_s), 200)
        for span_s in _SPANS_S
    }
    figures["tick_20000_columns_us"] = _best_us(tick, 200)
    figures["tick_and_4_windows_20000_columns_us"] = _best_us(tick_and_all_windows, 200)
    figures["rings_20000_columns_mib"] = rolling.nbytes / 2**20
    return figures


def accounts() -> dict[str, float]:
    """Return the cost of one reading of one account: counter alone, and with its interval book and state."""
    counter = Counter(modulus=1e6, max_rate=1.0, gap_after_s=60.0, resolution=0.01)
    whole = Counter(modulus=1e6, max_rate=1.0, gap_after_s=60.0, resolution=0.01)
    book = IntervalBook(length_s=900, zone=ZoneInfo("Asia/Shanghai"), grace_s=60)
    seconds, others = count(), count()

    def reading(second: int) -> Reading:
        return Reading(_START_NS + second * NS_PER_S, second * NS_PER_S, 1000.0 + second * 0.01, b"\0\0\0\0", "boot")

    def account() -> None:
        sample = reading(next(others))
        for delta in whole.book(sample):
            book.add(delta)
        book.close_due(sample.time_ns)

    return {
        "counter_reading_us": _best_us(lambda: counter.book(reading(next(seconds))), 3_000),
        "account_reading_us": _best_us(account, 3_000),
        "account_state_us": _best_us(lambda: (whole.state(), book.state()), 1_000),
    }


def figures() -> dict[str, float]:
    """Return every figure of this module by name."""
    return {**windows(), **accounts()}


if __name__ == "__main__":
    for name, value in figures().items():
        sys.stdout.write(f"{name:44} {value:10.2f}\n")
