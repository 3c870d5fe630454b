"""A meter that always knows what it truly counted, and the books in which its readings are kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Declaration, Reading
from agent.metering.counter import Counter
from agent.metering.interval import IntervalBook

START_NS = 1_780_000_000 * NS_PER_S
COUNT = 0.1
COUNT_QUANTA = QUANTA_PER_UNIT // 10
MODULUS = 50_000
MOST_PER_S = 5
LENGTH_S = 60


class Books:
    """A counter and its intervals, as the agent keeps them."""

    def __init__(self) -> None:
        self.counter, self.intervals = self._fresh()
        self.declarations: list[Declaration] = []
        self.late = 0
        self.records: dict[int, tuple[int, int]] = {}

    def _fresh(self) -> tuple[Counter, IntervalBook]:
        rate = MOST_PER_S * COUNT
        counter = Counter(modulus=MODULUS * COUNT, max_rate=rate, gap_after_s=10, resolution=COUNT)
        return counter, IntervalBook(length_s=LENGTH_S, zone=ZoneInfo("Asia/Shanghai"), grace_s=5)

    def restart(self) -> None:
        state = json.loads(json.dumps([self.counter.state(), self.intervals.state()]))
        self.counter, self.intervals = self._fresh()
        self.counter.declared.declare(self.declarations)
        self.counter.restore(state[0])
        self.intervals.restore(state[1])

    def declare(self, declaration: Declaration) -> None:
        self.declarations.append(declaration)
        self.counter.declared.declare(self.declarations)
        self.explain()

    def take(self, reading: Reading) -> None:
        for delta in self.counter.book(reading):
            self.intervals.add(delta)
        self.close(reading.time_ns)
        self.explain()

    def explain(self) -> None:
        """Do what corrects closed intervals when a change is explained late."""
        for late in self.counter.explained():
            amount, _ = self.counter.declared.use(late.declaration, late.change.last, late.change.first)
            self.late += amount

    def close(self, now_ns: int) -> None:
        for closed in self.intervals.close_due(now_ns):
            before = self.records.get(closed.start_ns)
            assert closed.revision == (0 if before is None else before[0] + 1)
            self.records[closed.start_ns] = (closed.revision, closed.quanta)

    @property
    def total(self) -> int:
        """All intervals, in their latest revisions, corrected as they were, and what waits for its interval."""
        recorded = sum(amount for _, amount in self.records.values())
        return recorded + self.intervals.pending_quanta + self.late


@dataclass
class Meter:
    """A true counter in raw counts, and what a perfect observer would have booked of it."""

    books: Books = field(default_factory=Books)
    raw: int = 10_000
    second: int = 0
    monotonic_s: int = 1_000
    boot: int = 1
    shift_s: int = 0
    newest_s: int = 0
    booked: int = 0

    def show(self, counts: float, seconds: int = 1) -> None:
        self.second += seconds
        self.monotonic_s += seconds
        self.newest_s = max(self.newest_s, self.second + self.shift_s)
        time_ns = START_NS + (self.second + self.shift_s) * NS_PER_S
        value = counts * COUNT
        self.books.take(Reading(time_ns, self.monotonic_s * NS_PER_S, value, b"", f"boot-{self.boot}"))

    def read(self, seconds: int, counts: int) -> None:
        self.raw = (self.raw + counts) % MODULUS
        self.booked += counts
        self.show(self.raw, seconds)

    def run(self, counts: Sequence[int]) -> None:
        for count in counts:
            self.read(1, count)

    def gap(self, seconds: int, share: float) -> None:
        self.read(seconds, int(seconds * MOST_PER_S * share))

    def fault(self, counts: float, times: int) -> None:
        for _ in range(times):
            self.show(counts)
        self.read(1, 2)

    def dip(self, counts: int) -> None:
        if self.raw > counts:
            self.fault(self.raw - counts, 1)

    def restart(self) -> None:
        self.books.restart()

    def reboot(self) -> None:
        self.books.restart()
        self.boot += 1
        self.monotonic_s = 3
        self.shift_s = max(self.shift_s, self.newest_s - self.second + 4)
        self.read(4, 1)

    def clock(self, forward_s: int) -> None:
        self.shift_s += forward_s

    def replace(self, old: int, new: int, level: int, told: str) -> None:
        """Put in another meter at a level; both count on unseen, which somebody tells before, after, or never."""
        if abs(self.raw - level) <= 6_000 or self.raw + old >= MODULUS:
            return
        time_ns = START_NS + (self.second + self.shift_s) * NS_PER_S + NS_PER_S // 2
        said = Declaration("m/e", time_ns, (self.raw + old) * COUNT, level * COUNT, "worn out", "Li Wei")
        if told == "before":
            self.books.declare(said)
        self.raw = level + new
        self.show(self.raw)
        self.run([1, 2, 1])
        if told == "after":
            self.books.declare(said)
        self.booked += old + new if told != "never" else 0

    def wrap(self) -> None:
        """Put in another counter near its end, which then runs over."""
        self.replace(0, 0, MODULUS - 14, "never")
        self.run([MOST_PER_S] * 6)


EVENTS = st.one_of(
    st.tuples(st.just("run"), st.lists(st.integers(0, MOST_PER_S), min_size=1, max_size=80)),
    st.tuples(st.just("gap"), st.integers(11, 900), st.floats(0, 1)),
    st.tuples(st.just("fault"), st.sampled_from([0.0, 4294967295.0]), st.integers(1, 3)),
    st.tuples(st.just("dip"), st.integers(1, 9)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("reboot")),
    st.tuples(st.just("clock"), st.integers(1, 4000)),
    st.tuples(
        st.just("replace"),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 40) | st.integers(20_000, 26_000),
        st.sampled_from(["before", "after", "never"]),
    ),
    st.tuples(st.just("wrap")),
)
