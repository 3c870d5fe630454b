"""Whatever happens to meter and clock, all intervals together are what was booked, each as its evidence says."""

import json
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S, Delta, Rule, quanta
from agent.metering.interval import ClosedInterval
from tests.agent.metering.quarters import EIGHT_NS, at, book_of, counter_of, due, latest, recomputed

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 400), st.floats(0, 1)),
        st.tuples(st.just("outage"), st.integers(400, 9000), st.floats(0, 1)),
        st.tuples(st.just("jump ahead"), st.integers(1, 9000), st.floats(0, 1)),
        st.tuples(st.just("jump back"), st.integers(1, 3000), st.floats(0, 1)),
        st.tuples(st.just("zero")),
        st.tuples(st.just("reset")),
        st.tuples(st.just("silence"), st.integers(1, 5000)),
        st.tuples(st.just("restart")),
    ),
    max_size=40,
)
MODULUS = 3000.0


class Site:
    """A counter, its book and whoever takes the closed intervals, under a random story."""

    def __init__(self, length_s: int) -> None:
        self.length_s = length_s
        self.counter = counter_of(modulus=MODULUS, max_rate=0.5)
        self.book = book_of(length_s=length_s)
        self.now_s = self.wall_shift_s = 0
        self.raw = 12_345  # tenths
        self.deltas: list[Delta] = []
        self.closed: list[ClosedInterval] = []

    def show(self, tenths: int) -> None:
        wall_s = self.now_s + self.wall_shift_s
        for delta in self.counter.book(at(wall_s + 0.123456789, tenths / 10, monotonic_s=self.now_s)):
            self.deltas.append(delta)
            self.book.add(delta)
        self.take(wall_s)

    def take(self, wall_s: float) -> None:
        for interval in due(self.book, wall_s + 0.2):
            earlier = latest(self.closed).get(interval.start_ns)
            assert interval.revision == (0 if earlier is None else earlier.revision + 1)
            self.closed.append(interval)

    def read(self, passed_s: int, share: float) -> None:
        self.now_s += passed_s
        self.raw = (self.raw + int(passed_s * share * 0.5 * 10)) % round(MODULUS * 10)
        self.show(self.raw)

    def restart(self) -> None:
        counter, book = json.dumps(self.counter.state()), json.dumps(self.book.state())
        self.counter = counter_of(modulus=MODULUS, max_rate=0.5)
        self.book = book_of(length_s=self.length_s)
        self.counter.restore(json.loads(counter))
        self.book.restore(json.loads(book))

    def live(self, step: Sequence[object]) -> None:
        match step:
            case ("read" | "outage", int() as passed_s, float() as share):
                self.read(passed_s, share)
            case ("jump ahead", int() as seconds, float() as share):
                self.wall_shift_s += seconds
                self.read(7, share)
            case ("jump back", int() as seconds, float() as share):
                self.wall_shift_s -= seconds
                self.read(7, share)
            case ("zero",):
                self.now_s += 1
                self.show(0)
                self.read(1, 0.3)
            case ("reset",):
                self.raw = 0
                for _ in range(4):
                    self.read(10, 0.4)
            case ("silence", int() as seconds):
                self.now_s += seconds
                self.take(self.now_s + self.wall_shift_s)
            case _:
                self.restart()


@given(steps=STEPS, length_s=st.sampled_from([60, 900, 3600]))
@settings(max_examples=150, deadline=None)
def test_intervals_and_what_is_pending_always_add_up_to_the_deltas(
    steps: list[tuple[object, ...]], length_s: int
) -> None:
    site = Site(length_s)
    site.show(site.raw)
    for step in steps:
        site.live(step)
        emitted = sum(interval.quanta for interval in latest(site.closed).values())
        assert emitted + site.book.pending_quanta == sum(delta.quanta for delta in site.deltas)
    for interval in site.closed:
        assert recomputed(interval) == interval.quanta
        assert 0 <= interval.coverage <= 1
        assert 0 <= interval.estimated_quanta <= interval.quanta


@given(
    steps=st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 10**6)), min_size=1, max_size=40),
    length_s=st.sampled_from([60, 900, 3600]),
)
@settings(max_examples=150, deadline=None)
def test_each_interval_equals_the_interpolated_counter_at_its_ends(steps: list[tuple[int, int]], length_s: int) -> None:
    book = book_of(length_s=length_s, grace_s=1e9)
    readings = [at(0.5, 5.0)]
    second, booked = 0.5, quanta(5.0)
    for passed, rise in steps:
        second += passed
        booked += rise
        readings.append(at(second, booked / 1e6))
    for earlier, later in pairwise(readings):
        amount = quanta(later.value) - quanta(earlier.value)
        book.add(Delta(earlier, later, amount, True, Rule.NORMAL))

    def counter(time_ns: int) -> int:
        for a, b in pairwise(readings):
            if a.time_ns <= time_ns <= b.time_ns:
                rise = quanta(b.value) - quanta(a.value)
                return quanta(a.value) + rise * (time_ns - a.time_ns) // (b.time_ns - a.time_ns)
        return quanta(readings[0].value)

    closed = due(book, second)
    expected_ns = range(EIGHT_NS, readings[-1].time_ns - length_s * NS_PER_S + 1, length_s * NS_PER_S)
    assert [interval.start_ns for interval in closed] == list(expected_ns)
    for interval in closed:
        assert interval.quanta == counter(interval.end_ns) - counter(interval.start_ns)
        assert interval.coverage == (1.0 if interval.open else 1.0 - 0.5 / length_s)


@given(
    story=st.lists(
        st.tuples(st.integers(1, 200), st.sampled_from([0, 0, 0, 1, 7000, 90_000, 3_000_000]), st.floats(0, 1)),
        min_size=1,
        max_size=8,
    ),
    length_s=st.sampled_from([60, 900, 3600]),
)
@settings(max_examples=60, deadline=None)
def test_however_often_the_clock_is_ahead_and_set_right_every_amount_is_in_one_interval(
    story: list[tuple[int, int, float]], length_s: int
) -> None:
    book, counter, closed = book_of(length_s=length_s), counter_of(), []
    tenths, second, booked = 10_000, 0, 0
    for steps, ahead_s, share in [*story, (400, 0, 0.5)]:
        for _ in range(steps):
            second += 30
            tenths += int(share * 100)
            for delta in counter.book(at(second + ahead_s, tenths / 10, monotonic_s=second)):
                booked += delta.quanta
                book.add(delta)
            if not ahead_s and book.stuck:
                book.turn_back()
            closed += due(book, second + ahead_s)

    closed += due(book, second + 10 * length_s)
    if not book.stuck:
        assert sum(interval.quanta for interval in latest(closed).values()) + book.pending_quanta == booked
    for interval in closed:
        assert recomputed(interval) == interval.quanta
    numbered = [(interval.start_ns, interval.revision) for interval in closed]
    assert len(set(numbered)) == len(numbered), "no revision is given twice"
