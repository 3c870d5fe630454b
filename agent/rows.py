"""Rows of the ring as the store keeps them: what the rolling windows need after a restart.

A row is a line of JSON (the digest of its accounts' names, boot and monotonic time, the outages that ended since the
row before it) and the cumulative columns as float64, little-endian, kind by kind. The names themselves stand once in
a state. So a row costs 8 bytes for each of five columns per account, and about 150 bytes; there is one per minute.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from agent.columns import COLUMNS, Growth
from agent.metering.history import Moment, Outage, SavedRow
from agent.saved import VERSION, UnreadableError, unpack

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

    def __init__(self, layouts: Mapping[str, Names], names: Names) -> None:
        self._layouts = layouts
        self._width = len(names)
        self._positions = {tuple(name): position for position, name in enumerate(names)}

    def decode(self, time_ns: int, stored: bytes) -> SavedRow | None:
        """Return a row saved at a wall time, NaN where it knows nothing; None when nobody knows its accounts.

        Raises UnreadableError when it is damaged or of another shape.
        """
        head, _, octets = stored.partition(b"\n")
        said = unpack(head)
        try:
            return self._decode(time_ns, said, octets)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UnreadableError(f"it lacks something or holds something else ({error!r})", said["version"]) from error

    def _decode(self, time_ns: int, said: dict[str, Any], octets: bytes) -> SavedRow | None:
        names = self._layouts.get(said["layout"])
        if names is None or len(octets) != len(names) * COLUMNS * 8:
            return None
        places = [self._positions.get(tuple(name), -1) for name in names]
        kept = [position for position, place in enumerate(places) if place >= 0]
        row = np.full((COLUMNS, self._width), np.nan)
        row[:, [places[position] for position in kept]] = np.frombuffer(octets, "<f8").reshape(COLUMNS, -1)[:, kept]
        outages = tuple(
            self.outage(places[position], Growth(Moment(*start), Moment(*end), np.array(columns)))
            for position, start, end, columns in said["outages"]
            if places[position] >= 0
        )
        return SavedRow(Moment(time_ns, said["monotonic_ns"], said["boot"]), row.reshape(-1), outages)

    def outage(self, position: int, grown: Growth) -> Outage:
        """Return the growth of the account at a position as that of a flat row's columns."""
        return Outage(np.arange(COLUMNS) * self._width + position, grown.columns, grown.start, grown.end)


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
