"""Readings of a counter, one after another, and what is booked of them."""

from collections.abc import Iterable, Sequence

from agent.metering.amount import NS_PER_S, Delta, Reading
from agent.metering.counter import Counter

START_NS = 1_790_000_000 * NS_PER_S
RATED = 700 * 1.2 / 3600  # kWh per second of a 700 kW device, with margin


def at(second: float, value: float, *, boot: str = "boot-1", wall_shift_s: float = 0.0) -> Reading:
    ns = round(second * NS_PER_S)
    wall_ns = START_NS + ns + round(wall_shift_s * NS_PER_S)
    return Reading(wall_ns, 1_000 * NS_PER_S + ns, value, b"\x00\x01", boot)


def book(counter: Counter, values: Iterable[float], *, start_s: float = 0.0, every_s: float = 1.0) -> list[Delta]:
    deltas: list[Delta] = []
    for index, value in enumerate(values):
        deltas += counter.book(at(start_s + index * every_s, value))
    return deltas


def meter(
    *,
    modulus: float | None = None,
    max_rate: float | None = RATED,
    gap_after_s: float = 10.0,
    resolution: float = 0.01,
) -> Counter:
    return Counter(modulus=modulus, max_rate=max_rate, gap_after_s=gap_after_s, resolution=resolution)


def total(deltas: Iterable[Delta]) -> int:
    return sum(delta.quanta for delta in deltas)


def rules(deltas: Sequence[Delta]) -> list[str]:
    return [str(delta.rule) for delta in deltas]
