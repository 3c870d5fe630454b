"""Rolling windows of an agent that was restarted, against a recomputation from the readings that survived."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.books.columns import AMOUNT, CO2_KG, ESTIMATED, MEASURED_S
from agent.books.ledger import LAYOUTS, Ledger
from agent.carbon.library import load_library
from agent.config import SiteConfig
from agent.metering.history import Moment
from tests.agent.frames import DEVICES, SITE, configured, frame_at

LIBRARY = load_library()
S = 10**9
START = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * S
FAN, STEAM = "fan-1/electricity", "steam"
GAP_S = 30
TICKED_NS = 1_000_000
"""Ticks come so long after the polls: never at the same nanosecond."""
SPANS = DEVICES.replace('["1min", "15min"]', '["1min", "15min", "1h", "2h", "6h"]')
SPANS += '[[equipment]]\nkind = "feeder"\ndevice = "fan-1"\n'
"""Windows of 6 h have a row every 5 minutes, but what the fan uses is looked at by the minute."""
SLACK_S = {"6h": 300}
"""What a window may be longer by than its span; 130 s others: after a restart they begin with a row of a minute."""


@dataclass
class Kept:
    """What the store would hold."""

    states: dict[str, bytes] = field(default_factory=dict)
    rows: dict[int, bytes] = field(default_factory=dict)


class Works:
    """A plant whose machines run on whatever becomes of the agent, which is killed and started again.

    Time goes by in steps of 10 s, counted from START. The wall clock of the present boot may be wrong.
    """

    def __init__(self, config: SiteConfig) -> None:
        self.config = config
        self.kept = Kept()
        self.now_s = 0
        self.boot, self.booted_s, self.wrong_s, self.trusted = "boot-0", -500, 0, True
        self.counts = {FAN: 1000, STEAM: 5000}
        self.readings: dict[str, list[tuple[int, int]]] = {FAN: [], STEAM: []}
        self.saved_s = -1
        self.ledger = self.started()

    @property
    def moment(self) -> Moment:
        return Moment(START + (self.now_s + self.wrong_s) * S, (self.now_s - self.booted_s) * S, self.boot)

    def started(self) -> Ledger:
        ledger = Ledger(self.config, LIBRARY, start_ns=START, boot_id=self.boot)
        ledger.restore(self.kept.states.get)
        self.kept.rows |= ledger.left_rows(self.kept.rows)
        self.needed = ledger.needed(sorted(self.kept.rows.items()), self.moment.time_ns)
        ledger.refill(self.needed.items(), self.moment, trusted=self.trusted)
        self.kept.states[LAYOUTS] = ledger.layouts_state()
        self.ledger = ledger
        self.kept.states |= dict(ledger.states())
        return ledger

    def save(self, row_at: Moment | None = None) -> None:
        if row_at:
            self.kept.rows[row_at.time_ns] = self.ledger.saved_row(row_at)
        self.kept.states |= dict(self.ledger.states())
        self.saved_s = self.now_s

    def passes(self, use: dict[str, int], answering: frozenset[str]) -> None:
        """Let 10 s pass in which the agent polls, ticks, and saves."""
        self.idles(use)
        for name in answering:
            self.reads(name)
        time_ns, monotonic_ns, boot = self.moment
        ticked = Moment(time_ns + TICKED_NS, monotonic_ns + TICKED_NS, boot)
        if self.ledger.tick(ticked.monotonic_ns):
            self.save(ticked)
        elif self.now_s % 30 == 0:
            self.save()

    def idles(self, use: dict[str, int]) -> None:
        """Let 10 s pass without an agent."""
        self.now_s += 10
        for name, counts in use.items():
            self.counts[name] += counts

    def reads(self, name: str) -> None:
        device, address = {FAN: ("fan-1", 0x0010), STEAM: ("boiler-1", 0x0012)}[name]
        registers = {address: f"{self.counts[name]:08x}"}
        moment = self.moment
        profile = self.config.profiles[device]
        self.ledger.take(frame_at(device, profile, registers, moment.time_ns, moment.monotonic_ns))
        self.readings[name].append((self.now_s, self.counts[name]))

    def is_killed(self, down: int, use: dict[str, int], *, reboots: bool = False) -> None:
        """End the agent without a word; it starts again after `down` steps of 10 s."""
        for readings in self.readings.values():
            while readings and readings[-1][0] > self.saved_s:
                readings.pop()
        for _ in range(down):
            self.idles(use)
        if reboots:
            self.boot, self.booted_s = f"boot-{self.now_s}", self.now_s - 20
        self.started()

    def booked(self, name: str, at_s: float) -> tuple[float, float, float]:
        """Recompute from the readings what an agent that never stopped has booked by a time.

        Returns amount, measured seconds and estimated amount.
        """
        scale = {FAN: 0.01, STEAM: 0.001}[name]
        amount = measured = estimated = 0.0
        for (since, before), (until, after) in itertools.pairwise(self.readings[name]):
            if until - since <= GAP_S:
                passed = float(at_s >= until)
                measured += passed * (until - since)
            else:
                passed = min(1.0, max(0.0, (at_s - since) / (until - since)))
                estimated += passed * (after - before) * scale
            amount += passed * (after - before) * scale
        return amount, measured, estimated

    def assert_windows(self) -> None:
        """Hold every window against the recomputation over the time it says it covers."""
        for figures in self.ledger.figures():
            start_s = round(self.now_s + TICKED_NS / S - figures.elapsed_s, 6)
            history_s = self.now_s - 10
            slack_s = SLACK_S.get(figures.span, 130)
            assert figures.elapsed_s >= min(figures.span_s - max(30, slack_s / 2), history_s)
            assert figures.elapsed_s <= figures.span_s + slack_s
            for name in (FAN, STEAM):
                now, then = self.booked(name, self.now_s), self.booked(name, start_s)
                found = figures.values[[AMOUNT, MEASURED_S, ESTIMATED], self.ledger.position[name]]
                assert found == pytest.approx(np.subtract(now, then), abs=1e-6), (figures.span, name)
            fan = figures.values[:, self.ledger.position[FAN]]
            assert fan[CO2_KG] == pytest.approx(fan[AMOUNT] * 0.6553, abs=1e-6)

    def assert_minutes(self) -> None:
        """Hold what the fan used since each minute of the longest window against the recomputation."""
        times, rows = self.ledger.windows.by_minute[self.ledger.column(AMOUNT, FAN)].in_order()
        now = self.booked(FAN, self.now_s)[0]
        assert np.diff(times).max(initial=0) < 120 * S, "each minute has a row"
        for at_ns, amount in zip(times, rows[:, 0], strict=True):
            then = self.booked(FAN, at_ns / S + self.booted_s)[0]
            assert self.ledger.row[AMOUNT, self.ledger.position[FAN]] - amount == pytest.approx(now - then, abs=1e-6)


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(configured(tmp_path, SITE + SPANS))


USE = {FAN: 10, STEAM: 40}
BOTH = frozenset(USE)


def test_an_agent_that_starts_again_shows_the_windows_of_one_that_never_stopped(works: Works) -> None:
    for step in range(720):
        works.passes({FAN: 5 + step % 7, STEAM: 30}, BOTH)
    works.is_killed(60, {FAN: 9, STEAM: 33})
    works.passes(USE, BOTH)

    works.assert_windows()
    works.assert_minutes()
    two_hours = list(works.ledger.figures())[-2]
    assert two_hours.elapsed_s == pytest.approx(7200, abs=30)
    column = two_hours.values[:, works.ledger.position[FAN]]
    assert column[MEASURED_S] == pytest.approx(7200 - 600, abs=60), "the outage is no measured time"
    assert column[ESTIMATED] > 5


def test_before_the_first_poll_of_a_new_run_the_windows_show_what_is_known(works: Works) -> None:
    for _ in range(400):
        works.passes(USE, BOTH)
    works.is_killed(30, USE)
    works.now_s += 1
    works.ledger.tick(works.moment.monotonic_ns)

    for figures in works.ledger.figures():
        amount = figures.values[AMOUNT, works.ledger.position[FAN]]
        assert amount == pytest.approx(
            works.booked(FAN, works.now_s)[0] - works.booked(FAN, works.now_s - figures.elapsed_s)[0]
        )


@given(
    story=st.lists(
        st.tuples(
            st.integers(1, 90),  # steps that the agent runs
            st.sampled_from([BOTH, BOTH, frozenset({FAN}), frozenset({STEAM}), frozenset()]),  # who answers
            st.integers(0, 70),  # steps it is down afterwards; 0: it is not
            st.booleans(),  # whether the gateway boots anew
            st.fixed_dictionaries({FAN: st.integers(0, 40), STEAM: st.integers(0, 90)}),
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_windows_are_those_of_an_agent_that_never_stopped_whenever_it_is_killed(
    tmp_path: Path, story: list[tuple[int, frozenset[str], int, bool, dict[str, int]]]
) -> None:
    works = Works(configured(tmp_path, SITE + SPANS))
    works.passes(USE, BOTH)
    for steps, answering, down, reboots, use in story:
        for _ in range(steps):
            works.passes(use, answering)
        works.assert_windows()
        if down:
            works.is_killed(down, use, reboots=reboots)
            works.passes(use, BOTH)
            works.assert_windows()
            works.assert_minutes()
    total = works.booked(FAN, works.now_s)[0]
    assert works.ledger.row[AMOUNT, works.ledger.position[FAN]] == pytest.approx(total)


def test_rows_of_earlier_boots_wait_until_the_clock_is_right(works: Works) -> None:
    for _ in range(300):
        works.passes(USE, BOTH)
    works.trusted, works.wrong_s = False, -500  # it goes on about where it stood when the power went
    works.is_killed(60, USE, reboots=True)
    for _ in range(5):
        works.passes(USE, BOTH)
    early = list(works.ledger.figures())[-1]
    works.wrong_s = 0
    works.ledger.refill(works.kept.rows.items(), works.moment, trusted=True)
    works.passes(USE, BOTH)

    assert early.elapsed_s <= 50
    assert early.values[AMOUNT, works.ledger.position[FAN]] == pytest.approx(0.4), "the outage has no place yet"
    works.assert_windows()


def test_a_row_of_the_future_is_left_out(works: Works) -> None:
    for _ in range(30):
        works.passes(USE, BOTH)
    works.wrong_s = -86400
    works.is_killed(10, USE, reboots=True)
    works.passes(USE, BOTH)

    for figures in works.ledger.figures():
        assert figures.elapsed_s <= 20


def test_an_account_of_another_unit_or_a_new_one_begins_its_windows_at_zero(works: Works) -> None:
    for _ in range(60):
        works.passes(USE, BOTH)
    added = '\n[[account]]\nname = "fan-1/heat"\ndevice = "fan-1"\ncarrier = "electricity"\nfrom = "active_energy"\n'
    text = SITE + SPANS + added.replace("active_energy", "active_energy_import")
    works.config = configured(works.config.path.parent, text)
    works.is_killed(1, USE)
    works.passes(USE, BOTH)
    works.passes(USE, BOTH)

    works.assert_windows()
    for figures in works.ledger.figures():
        new = figures.values[:, works.ledger.position["fan-1/heat"]]
        assert (new[AMOUNT], new[MEASURED_S]) == (pytest.approx(0.1), pytest.approx(10.0))


def test_an_account_that_was_left_out_for_a_while_is_an_outage(works: Works) -> None:
    whole = works.config
    for _ in range(60):
        works.passes(USE, BOTH)
    works.config = configured(
        whole.path.parent, SITE + SPANS.split("[[output]]")[0] + "[windows]" + SPANS.split("[windows]")[1]
    )
    works.is_killed(1, USE)
    for _ in range(60):
        works.passes(USE, frozenset({FAN}))
    works.config = whole
    works.is_killed(1, USE)
    works.passes(USE, BOTH)

    works.assert_windows()


def test_what_is_saved_costs_a_row_a_minute_of_eight_bytes_a_column(works: Works) -> None:
    for _ in range(600):
        works.passes(USE, BOTH)

    assert len(works.kept.rows) == pytest.approx(100, abs=2)
    columns = works.ledger.row.size
    assert all(len(row) <= 8 * columns + 150 for row in works.kept.rows.values())


def test_of_a_long_run_only_a_row_every_5_minutes_is_taken_into_memory_whole(works: Works) -> None:
    for _ in range(6 * 330):
        works.passes(USE, BOTH)
    works.is_killed(3, USE)
    works.passes(USE, BOTH)

    whole = [row for row in works.needed.values() if len(row) > 8 * works.ledger.row.size]
    assert len(works.needed) == pytest.approx(330, abs=2), "what each tells of outages is needed"
    assert len(whole) == pytest.approx(122 + (330 - 122) / 5, abs=4)
    works.assert_windows()
    works.assert_minutes()


def test_rows_next_to_an_outage_of_the_agent_are_taken_whole_however_old(works: Works) -> None:
    for _ in range(200):
        works.passes({FAN: 7, STEAM: 11}, BOTH)
    works.is_killed(20, {FAN: 50, STEAM: 3})
    before = max(works.kept.rows)
    works.passes(USE, BOTH)
    for _ in range(1400):
        works.passes(USE, BOTH)
    works.is_killed(3, USE)
    works.passes(USE, BOTH)

    assert len(works.needed[before]) == len(works.kept.rows[before])
    works.assert_windows()
    works.assert_minutes()
