"""Cumulative rows of earlier runs, laid out minute by minute on the clock of this one.

What was saved is replayed in the order in which it happened: rows, and between them outages, which give the rows
before them their share. Minutes without a row repeat what stood before, as the ticks of an agent would have that
ran on and read nothing; so the outage that a restart is can be spread over them like any other.
"""

from collections.abc import Iterable
from dataclasses import field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agent.metering.amount import NS_PER_S
from agent.metering.ring import spread
from agent.metering.window import EVERY_MINUTE, MINUTE_NS, Sparse
from drivers.value import frozen


class Moment(NamedTuple):
    """A time on both clocks: wall (Unix, ns) and monotonic [ns], which only means something within one `boot`."""

    time_ns: int
    monotonic_ns: int
    boot: str


@frozen
class Outage:
    """What some columns of a row grew by [float64] between two moments while nothing was read."""

    columns: npt.NDArray[np.intp]
    growth: npt.NDArray[np.float64]
    start: Moment
    end: Moment


@frozen
class SavedRow:
    """A cumulative row [float64, NaN where nothing is known], and the outages that ended since the one before.

    There is no row where it was left out, for rows shortly before and after it are enough.
    """

    moment: Moment
    row: npt.NDArray[np.float64] | None
    outages: tuple[Outage, ...] = ()
    by_minute: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """Of a row left out, too, the columns that are looked at by the minute."""

    def narrowed(self, columns: npt.NDArray[np.intp]) -> "SavedRow":
        """Return the row of the columns looked at by the minute alone; `columns` are theirs in the whole row."""
        outages = []
        for outage in self.outages:
            _, places, theirs = np.intersect1d(columns, outage.columns, return_indices=True)
            if len(places):
                outages.append(Outage(places, outage.growth[theirs], outage.start, outage.end))
        return SavedRow(self.moment, self.by_minute, tuple(outages))


class Timeline:
    """Where moments lie on the monotonic clock of this boot.

    Moments of this boot lie where they say, whatever became of the wall clock. Earlier boots are placed by the wall
    time of their newest saved row, the one most likely right; without a `trusted` wall clock they have no place.
    """

    def __init__(self, now: Moment, *, trusted: bool, saved: Iterable[Moment] = ()) -> None:
        self.now = now
        self._trusted = trusted
        newest: dict[str, Moment] = {}
        for moment in saved:
            if moment.boot and (moment.boot not in newest or moment.monotonic_ns > newest[moment.boot].monotonic_ns):
                newest[moment.boot] = moment
        self._offsets_ns = {boot: self._by_wall(moment) - moment.monotonic_ns for boot, moment in newest.items()}

    def at(self, moment: Moment) -> int | None:
        """Return the monotonic time [ns] of a moment, maybe below zero; None when it cannot be known."""
        if moment.boot and moment.boot == self.now.boot:
            return moment.monotonic_ns
        if not self._trusted:
            return None
        offset_ns = self._offsets_ns.get(moment.boot)
        return self._by_wall(moment) if offset_ns is None else moment.monotonic_ns + offset_ns

    def _by_wall(self, moment: Moment) -> int:
        return self.now.monotonic_ns - (self.now.time_ns - moment.time_ns)


class _Layout:
    """The rows laid out so far, at most one a minute, none before `oldest_ns`.

    Minutes without a row are not all laid out until `every_minute_ns`: the rows there lie `grain_ns` apart.
    """

    def __init__(self, columns: int, oldest_ns: int, now_ns: int, *, every_minute_ns: int, grain_ns: int) -> None:
        self.times = np.zeros((now_ns - oldest_ns) // MINUTE_NS + 2, np.int64)
        self.rows = np.zeros((len(self.times), columns))
        self.count = 0
        self.latest: npt.NDArray[np.float64] | None = None
        self._minute = oldest_ns // MINUTE_NS
        self._every_minute_ns, self._grain_ns = every_minute_ns, grain_ns
        self._left_out = False

    def replay(self, saved: SavedRow, at_ns: int, timeline: Timeline) -> None:
        """Take a row at its time, which may lie before the oldest to keep: then only what follows begins with it."""
        left_out = saved.row is None
        if not (left_out or self._left_out):  # rows are left out where others follow each other
            self.fill(at_ns // MINUTE_NS * MINUTE_NS)
        self._left_out = left_out
        self._take(saved, timeline)
        if not left_out:
            self._add(at_ns)
        self._minute = max(self._minute, at_ns // MINUTE_NS)

    def fill(self, until_ns: int) -> None:
        """Repeat the latest amounts at the beginning of every minute without a row that begins before a time."""
        for minute in range(self._minute + 1, -(-until_ns // MINUTE_NS)):
            time_ns = minute * MINUTE_NS
            apart = not self.count or time_ns - self.times[self.count - 1] >= self._grain_ns
            if apart or time_ns >= self._every_minute_ns:
                self._add(time_ns)

    def _add(self, time_ns: int) -> None:
        if self.latest is not None and time_ns // MINUTE_NS > self._minute:
            self.times[self.count], self.rows[self.count] = time_ns, self.latest
            self.count += 1
            self._minute = time_ns // MINUTE_NS

    def _take(self, saved: SavedRow, timeline: Timeline) -> None:
        """Take a row's outages and amounts; a column first known now had begun with this amount."""
        times, rows = self.times[: self.count], self.rows[: self.count]
        latest = self.latest
        if saved.row is not None:
            former = np.full(len(saved.row), np.nan) if latest is None else latest
            grown = np.zeros(len(saved.row))
            for outage in saved.outages:
                grown[outage.columns] += outage.growth
            first = np.isnan(former) & ~np.isnan(saved.row)
            rows[:, first] = (saved.row - grown)[first]
            latest = np.where(np.isnan(saved.row), former, saved.row)
        for outage in saved.outages:
            end_ns = timeline.at(outage.end)
            if end_ns is not None:
                spread(times, rows, outage.columns, outage.growth, timeline.at(outage.start), end_ns)
        self.latest = latest


def lay_out(
    saved: Iterable[SavedRow],
    timeline: Timeline,
    *,
    span_s: float,
    current: npt.NDArray[np.float64],
    sparse: Sparse = EVERY_MINUTE,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return monotonic times [ns] and rows [float64, columns] of the last `span_s` up to now, oldest first.

    Left out is what lies in the future or has no place. A column that no row knows has `current` for its amount.
    """
    now_ns = timeline.now.monotonic_ns
    oldest_ns = now_ns - round(span_s * NS_PER_S) - 2 * MINUTE_NS
    layout = _Layout(
        len(current), oldest_ns, now_ns, every_minute_ns=now_ns - sparse.after_ns, grain_ns=sparse.grain_ns
    )
    places = [(timeline.at(entry.moment), entry) for entry in saved]
    placed = [(at_ns, entry) for at_ns, entry in places if at_ns is not None and at_ns <= now_ns]
    for at_ns, entry in sorted(placed, key=lambda each: each[0]):
        layout.replay(entry, at_ns, timeline)
    layout.fill(now_ns)
    times, rows = layout.times[: layout.count], layout.rows[: layout.count]
    np.copyto(rows, current, where=np.isnan(rows))
    return times, rows
