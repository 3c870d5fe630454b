"""What the heart costs: ring, windows, counters and intervals, in microseconds."""

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from agent.books import rows
from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config.load import load_config
from agent.metering.amount import NS_PER_S, Reading
from agent.metering.counter import Counter
from agent.metering.history import Moment
from agent.metering.interval import IntervalBook
from agent.metering.window import MINUTE_NS, Windows
from agent.process import memory
from tests.bench.fleet import Fleet, configure

_START_NS = 1_790_000_000 * NS_PER_S
_COLUMNS = 20_000
_SPANS_S = (60.0, 900.0, 3600.0, 86400.0)
_REPEATS = 7
_ACCOUNTS, _SAVED_ROWS = 1000, 25 * 60


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


def restart() -> dict[str, float]:
    """Return what it takes to put a day of saved rows of 1,000 accounts before the windows of a new run.

    Memory is the most that was resident at a time on top of the ledger with empty windows: see proc(5), clear_refs.
    """
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(_ACCOUNTS, 20, telemetry_s=None)
        config = load_config(configure(Path(folder), fleet, devices_port=502, ports={}))
    ledger = Ledger(config, load_library(), start_ns=_START_NS)
    ledger.layouts_state()
    now = Moment(_START_NS, _START_NS, "")
    layout = rows.digest(ledger.names)

    def stored() -> Iterator[tuple[int, bytes]]:
        for minutes in range(_SAVED_ROWS, 0, -1):
            at_ns = _START_NS - minutes * MINUTE_NS
            yield at_ns, rows.encode(layout, Moment(at_ns, at_ns, ""), ledger.row - minutes, [])

    gc.collect()
    memory.give_back()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before_mib = _peak_mib()
    ledger.refill(ledger.needed(stored(), _START_NS).items(), now, trusted=True)
    return {"restart_1000_accounts_mib": _peak_mib() - before_mib}


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def figures() -> dict[str, float]:
    """Return every figure of this module by name."""
    return {**windows(), **accounts(), **restart()}


if __name__ == "__main__":
    for name, value in figures().items():
        sys.stdout.write(f"{name:44} {value:10.2f}\n")
