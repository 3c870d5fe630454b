"""Intervals of a quarter of an hour from eight o'clock on, and the readings that fill them."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from agent.metering.amount import NS_PER_S, Delta, Reading, quanta
from agent.metering.counter import Counter
from agent.metering.interval import ClosedInterval, IntervalBook

ZONE = ZoneInfo("Asia/Shanghai")
EIGHT_NS = round(datetime.fromisoformat("2026-11-20T08:00:00+08:00").timestamp()) * NS_PER_S
QUARTER_S = 900
QUARTER_NS = QUARTER_S * NS_PER_S


def at(second: float, value: float, *, monotonic_s: float | None = None, boot: str = "boot") -> Reading:
    passed = second if monotonic_s is None else monotonic_s
    return Reading(EIGHT_NS + round(second * NS_PER_S), round((1e5 + passed) * NS_PER_S), value, b"\x01", boot)


def book_of(*, length_s: float = QUARTER_S, grace_s: float = 60.0) -> IntervalBook:
    return IntervalBook(length_s=length_s, zone=ZONE, grace_s=grace_s)


def counter_of(**other: float) -> Counter:
    return Counter(modulus=other.get("modulus"), max_rate=other.get("max_rate"), gap_after_s=60.0, resolution=0.1)


def fill(book: IntervalBook, readings: Iterable[Reading], counter: Counter | None = None) -> list[Delta]:
    counter = counter or counter_of()
    deltas = [delta for reading in readings for delta in counter.book(reading)]
    for delta in deltas:
        book.add(delta)
    return deltas


def due(book: IntervalBook, second: float) -> list[ClosedInterval]:
    return book.close_due(EIGHT_NS + round(second * NS_PER_S))


def steady(first_s: int, last_s: int, *, every_s: int = 10, per_s: float = 0.1) -> list[Reading]:
    return [at(second, 1000.0 + second * per_s) for second in range(first_s, last_s + 1, every_s)]


def recomputed(interval: ClosedInterval) -> int:
    """Work out the amount as an auditor would: from the evidence alone, by the formula of the documentation."""
    decided = {(step.start, step.end): step for step in interval.decisions}

    def course(a: Reading | None, b: Reading | None, time_ns: int) -> int:
        if a is None or b is None:
            return 0
        step = decided.get((a, b))
        amount = step.quanta if step else quanta(b.value) - quanta(a.value)
        since_ns = step.since_ns if step else a.time_ns
        if time_ns <= since_ns:
            return 0
        return amount if time_ns >= b.time_ns else amount * (time_ns - since_ns) // (b.time_ns - since_ns)

    first, last = interval.open or interval.open_next, interval.close
    if first is None or last is None:
        return 0
    corrections = sum(
        step.quanta - (quanta(step.end.value) - quanta(step.start.value))
        for step in interval.decisions
        if first.time_ns <= step.start.time_ns and step.end.time_ns <= last.time_ns
    )
    between = quanta(last.value) - quanta(first.value) + corrections
    head = course(interval.open, interval.open_next, interval.start_ns)
    return between + course(last, interval.close_next, interval.end_ns) - head


def latest(intervals: Iterable[ClosedInterval]) -> dict[int, ClosedInterval]:
    return {interval.start_ns: interval for interval in intervals}
