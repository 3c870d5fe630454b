"""Whatever a counter shows, its deltas follow each other and are what a true meter counted."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S, Delta, Reading, Rule, quanta
from agent.metering.counter import Counter
from tests.agent.metering.readings import START_NS, at, total

MODULUS_COUNTS = 50_000
COUNT = 0.1  # kWh per raw count: never exact in binary
GAP_AFTER_S = 10


@dataclass
class Plant:
    """A true counter that counts in raw steps, the books a perfect observer would keep, and the faulty readings."""

    raw: int
    second: int = 0
    monotonic_s: int = 1_000
    boot: int = 1
    shift_s: int = 0  # of the wall clock
    booked: int = 0
    readings: list[Reading | None] = field(default_factory=list)  # None: the process restarts here

    def pass_time(self, seconds: int) -> None:
        self.second += seconds
        self.monotonic_s += seconds

    def show(self, value: float) -> None:
        boot = f"boot-{self.boot}"
        wall_ns = START_NS + (self.second + self.shift_s) * NS_PER_S
        self.readings.append(Reading(wall_ns, self.monotonic_s * NS_PER_S, value, b"", boot))

    def read(self, seconds: int, counts: int) -> None:
        self.pass_time(seconds)
        self.raw = (self.raw + counts) % MODULUS_COUNTS
        self.booked += counts
        self.show(self.raw * COUNT)

    def run(self, counts: Sequence[int]) -> None:
        for count in counts:
            self.read(1, count)

    def gap(self, seconds: int, share: float) -> None:
        self.read(seconds, int(seconds * MOST_COUNTS_PER_S * share))

    def fault(self, value: float, times: int) -> None:
        for _ in range(times):
            self.pass_time(1)
            self.show(value)
        self.read(1, 2)

    def dip(self, counts: int) -> None:
        if self.raw > counts:
            self.fault((self.raw - counts) * COUNT, 1)

    def restart(self) -> None:
        self.readings.append(None)

    def reboot(self) -> None:
        self.restart()
        self.boot += 1
        self.monotonic_s = 3
        self.second += 4
        shown_s = max((r.time_ns - START_NS) // NS_PER_S for r in self.readings if r is not None)
        self.shift_s = max(self.shift_s, shown_s - self.second + 4)  # a clock at boot that is not in the past
        self.read(1, 1)

    def clock(self, shift_s: int) -> None:
        self.shift_s = shift_s

    def replace(self, level: int, then: Sequence[int] = ()) -> None:
        if abs(self.raw - level) > 6_000:
            self.pass_time(1)
            self.raw = level
            self.show(self.raw * COUNT)
            self.run([1, 2, 1, *then])

    def wrap(self) -> None:
        """Put in another counter near its end, which then runs over."""
        self.replace(MODULUS_COUNTS - 14, [MOST_COUNTS_PER_S] * 6)


MOST_COUNTS_PER_S = 5
EVENTS = st.one_of(
    st.tuples(st.just("run"), st.lists(st.integers(0, MOST_COUNTS_PER_S), min_size=1, max_size=12)),
    st.tuples(st.just("gap"), st.integers(11, 400), st.floats(0, 1)),
    st.tuples(st.just("fault"), st.sampled_from([0.0, 4294967295 * COUNT]), st.integers(1, 3)),
    st.tuples(st.just("dip"), st.integers(1, 9)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("reboot")),
    st.tuples(st.just("clock"), st.integers(-4000, 4000)),
    st.tuples(st.just("replace"), st.integers(0, 40) | st.integers(20_000, 26_000)),
    st.tuples(st.just("wrap")),
)


def deltas_of(plant: Plant) -> Iterator[Delta]:
    def fresh() -> Counter:
        rate = MOST_COUNTS_PER_S * COUNT
        return Counter(modulus=MODULUS_COUNTS * COUNT, max_rate=rate, gap_after_s=GAP_AFTER_S, resolution=COUNT)

    counter = fresh()
    for reading in plant.readings:
        if reading is None:
            state = json.dumps(counter.state())
            counter = fresh()
            counter.restore(json.loads(state))
        else:
            yield from counter.book(reading)


@given(events=st.lists(EVENTS, max_size=25))
@settings(max_examples=300, deadline=None)
def test_whatever_happens_to_the_meter_the_books_hold_exactly_what_it_counted(
    events: list[tuple[Any, ...]],
) -> None:
    plant = Plant(raw=10_000)
    plant.read(1, 0)
    for name, *how in events:
        getattr(plant, name)(*how)
    deltas = list(deltas_of(plant))

    assert total(deltas) == plant.booked * quanta(COUNT)
    for earlier, later in pairwise(deltas):
        assert later.start == earlier.end


@given(
    steps=st.lists(st.tuples(st.integers(-50, 4000), st.floats(-1e9, 1e9) | st.just(float("nan"))), max_size=60),
    rated=st.booleans(),
    wraps=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_no_sequence_of_readings_breaks_the_chain_or_the_state(
    steps: list[tuple[int, float]], *, rated: bool, wraps: bool
) -> None:
    def fresh() -> Counter:
        rate, modulus = (1.0 if rated else None), (1e6 if wraps else None)
        return Counter(modulus=modulus, max_rate=rate, gap_after_s=10, resolution=0.5)

    counter = fresh()
    deltas: list[Delta] = []
    second = 0
    for passed, value in steps:
        second += passed
        deltas += counter.book(at(second, value, boot=""))
        state = json.dumps(counter.state())
        counter = fresh()
        counter.restore(json.loads(state))
        assert len(counter.state()["held"]) <= 8
    for earlier, later in pairwise(deltas):
        assert later.start == earlier.end
    for delta in deltas:
        if delta.rule in {Rule.FIRST, Rule.RESET, Rule.REPLACEMENT}:
            assert delta.quanta == 0
        elif delta.rule is not Rule.ROLLOVER:
            assert delta.quanta == quanta(delta.end.value) - quanta(delta.start.value) >= 0
