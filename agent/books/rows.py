"""Rows of the ring as the store keeps them: what the rolling windows need after a restart.

A row is a line of JSON (the digest of its accounts' names, boot and monotonic time, the outages that ended since the
row before it) and the cumulative columns as float64, little-endian, kind by kind. The names themselves stand once in
a state. So a row costs 8 bytes for each of five columns per account, and about 150 bytes; there is one per minute.

A day of them takes more memory than the agent has: of those that no window needs only the head is kept when they are
read, and the columns that are looked at by the minute. They are known by a blank behind the head.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from agent.books.columns import COLUMNS, Growth
from agent.metering.history import Moment, Outage, SavedRow
from agent.metering.window import MINUTE_NS
from agent.saved import VERSION, UnreadableError, unpack

_LEFT_OUT = b" "
"""Behind the head of a row of which the rest was left out: by its length alone it might be that of fewer accounts."""
_MOST_LAYOUTS = 100
"""Sets of accounts that are remembered: each reload may bring another one."""

Names = Sequence[Sequence[str]]
"""Name and unit of each account of a row: what is counted in another unit is another column."""


def digest(names: Names) -> str:
    """Return by what a row refers to its accounts."""
    return hashlib.sha256(orjson.dumps(names)).hexdigest()[:16]


def encode(layout: str, moment: Moment, row: npt.NDArray[np.float64], outages: Iterable[tuple[int, Growth]]) -> bytes:
    """Return a row [COLUMNS, accounts] as stored, with the (position of account, growth) of outages it includes."""
    head = {
        "version": VERSION,
        "layout": layout,
        "boot": moment.boot,
        "monotonic_ns": moment.monotonic_ns,
        "outages": [[position, [*grown.start], [*grown.end], grown.columns.tolist()] for position, grown in outages],
    }
    return orjson.dumps(head) + b"\n" + row.astype("<f8").tobytes()


class Reader:
    """Maps stored rows to the accounts of today, by name and unit."""

    def __init__(self, layouts: Mapping[str, Names], names: Names, by_minute: Iterable[int] = ()) -> None:
        """`by_minute` are columns of the flat row of today of which also rows left out are kept."""
        self._layouts = layouts
        self.by_minute = np.array([*by_minute], np.intp)
        self._width = len(names)
        self._positions = {tuple(name): position for position, name in enumerate(names)}

    def decode(self, time_ns: int, stored: bytes) -> SavedRow | None:
        """Return a row saved at a wall time, NaN where it knows nothing; None when nobody knows its accounts.

        Raises UnreadableError when it is damaged or of another shape.
        """
        head, _, octets = stored.partition(b"\n")
        said = unpack(head)
        try:
            return self._decode(time_ns, said, octets, left_out=head.endswith(_LEFT_OUT))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UnreadableError(f"it lacks something or holds something else ({error!r})", said["version"]) from error

    def _decode(self, time_ns: int, said: dict[str, Any], octets: bytes, *, left_out: bool) -> SavedRow | None:
        names = self._layouts.get(said["layout"])
        if names is None or len(octets) != (len(self.by_minute) if left_out else len(names) * COLUMNS) * 8:
            return None
        places = [self._positions.get(tuple(name), -1) for name in names]
        stored = np.frombuffer(octets, "<f8")
        row = None if left_out else self._of_today(stored, places)
        outages = tuple(
            self.outage(places[position], Growth(Moment(*start), Moment(*end), np.array(columns)))
            for position, start, end, columns in said["outages"]
            if places[position] >= 0
        )
        moment = Moment(time_ns, said["monotonic_ns"], said["boot"])
        return SavedRow(moment, row, outages, stored if row is None else row[self.by_minute])

    def _of_today(self, stored: npt.NDArray[np.float64], places: list[int]) -> npt.NDArray[np.float64]:
        """Return the flat row of today's accounts; `places` says where each of the stored ones stands, -1: nowhere."""
        if places == [*range(self._width)]:
            return stored
        kept = [position for position, place in enumerate(places) if place >= 0]
        row = np.full((COLUMNS, self._width), np.nan)
        row[:, [places[position] for position in kept]] = stored.reshape(COLUMNS, -1)[:, kept]
        return row.reshape(-1)

    def left_out(self, time_ns: int, stored: bytes) -> bytes:
        """Return of a row its head and what is looked at by the minute; a row of unknown accounts as it is."""
        whole = self.decode(time_ns, stored)
        return stored if whole is None else stored.partition(b"\n")[0] + _LEFT_OUT + b"\n" + whole.by_minute.tobytes()

    def outage(self, position: int, grown: Growth) -> Outage:
        """Return the growth of the account at a position as that of a flat row's columns."""
        return Outage(columns_of(position, self._width), grown.columns, grown.start, grown.end)


def columns_of(position: int, accounts: int) -> npt.NDArray[np.intp]:
    """Return where the columns of the account at a position stand in a flat row of so many."""
    return np.arange(COLUMNS) * accounts + position


def decoded(
    stored: Iterable[tuple[int, bytes]], reader: Reader
) -> tuple[list[SavedRow], list[tuple[bytes, UnreadableError]]]:
    """Return the rows whose accounts are known, and those that cannot be read, with the reason."""
    known, unread = [], []
    for time_ns, row in stored:
        try:
            if saved := reader.decode(time_ns, row):
                known.append(saved)
        except UnreadableError as error:
            unread.append((row, error))
    return known, unread


def thinned(stored: Iterable[tuple[int, bytes]], reader: Reader, *, before_ns: int, grain_ns: int) -> dict[int, bytes]:
    """Return rows by wall time [ns], oldest first: of those before a time only one each grain whole.

    Whole are also the first and last of every run of rows that follow each other minute by minute, of the same
    accounts and with all amounts known: what lies between is as it would be.
    """
    kept: dict[int, bytes] = {}
    former: _Told | None = None
    candidate: int | None = None
    grain = -1
    for time_ns, row in stored:
        told = _told(row)
        follows = former is not None and told is not None and told.follows(former)
        if follows and candidate is not None:
            kept[candidate] = reader.left_out(candidate, kept[candidate])
        kept[time_ns] = row
        candidate = time_ns if follows and time_ns < before_ns and time_ns // grain_ns == grain else None
        if candidate is None and told is not None:
            grain = time_ns // grain_ns
        former = told
    return kept


class _Told(NamedTuple):
    """Of whose accounts a row is, and when it was written."""

    layout: str
    boot: str
    monotonic_ns: int

    def follows(self, former: "_Told") -> bool:
        passed_ns = self.monotonic_ns - former.monotonic_ns
        return (self.layout, self.boot) == (former.layout, former.boot) and 0 < passed_ns <= 2 * MINUTE_NS


def _told(row: bytes) -> _Told | None:
    """Return what the head of a row says; None where amounts are unknown, or it cannot be read."""
    head, _, octets = row.partition(b"\n")
    try:
        said = unpack(head)
        known = not np.isnan(np.frombuffer(octets, "<f8")).any()
        return _Told(str(said["layout"]), str(said["boot"]), int(said["monotonic_ns"])) if known else None
    except (UnreadableError, KeyError, TypeError, ValueError):
        return None  # who decodes it tells


def layouts_of(state: Mapping[str, Any]) -> dict[str, Names]:
    """Return the sets of accounts of a saved state; raise UnreadableError when it holds something else."""
    layouts = state.get("layouts")
    if not isinstance(layouts, dict) or not all(
        isinstance(names, list) and all(isinstance(name, list) for name in names) for names in layouts.values()
    ):
        raise UnreadableError("it holds no accounts", state["version"])
    return layouts


def remembered(layouts: Mapping[str, Names], names: Names) -> dict[str, Names]:
    """Return the known sets of accounts with the present one as the newest, without the oldest beyond a bound."""
    layout = digest(names)
    known = [(key, value) for key, value in layouts.items() if key != layout]
    return dict([*known[1 - _MOST_LAYOUTS :], (layout, names)])
