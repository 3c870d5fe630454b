"""How commands say times, spans and counts."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from agent.rollup.periods import ONE_INTERVAL

UNVERIFIED = "? rests on a factor that was not checked against its source"
_MINUTE_S, _HOUR_MIN = 60, 60
_MOMENT = re.compile(r"(?<!\")\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
"""A time as records have it; in quotation marks it is quoted from one."""


def by_clock_of(zone: ZoneInfo, text: str) -> str:
    """Return a text with its times by the clock of a zone, such as 2026-11-20 16:00:00+08:00.

    They are UTC, as records have them; those in quotation marks are quoted from one, and stay as they are.
    """

    def local(found: re.Match[str]) -> str:
        try:
            return datetime.fromisoformat(found[0]).astimezone(zone).isoformat(" ")
        except (ValueError, OverflowError):  # a forged record may hold anything
            return found[0]

    return _MOMENT.sub(local, text)


def shorter(every: str) -> str:
    """Return how to see what is closed of a period that is not over; empty for intervals, the shortest."""
    return "" if every == ONE_INTERVAL else ": --every interval shows those that are closed by now"


def clock_text(moment: datetime, now: datetime) -> str:
    """Return the time of a day, with the date when it is another one than today's."""
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}"
    return f"{moment:%m-%d %H:%M:%S}" if moment.year == now.year else f"{moment:%Y-%m-%d %H:%M:%S}"


def span_text(seconds: float) -> str:
    """Return a duration in its two largest units, such as "3 h 20 min"."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < _HOUR_MIN:
        return f"{minutes} min {int(seconds % 60)} s"
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"


def counts_text(counts: Mapping[str, int]) -> str:
    """Return counts by name, "none" without any."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def marked(figures: Sequence[str], records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a column of figures, each with a mark where its record says that a factor behind it is unverified."""
    marks = ["?" if record.get("unverified") else "" for record in records]
    width = max(map(len, marks), default=0)
    return [f"{figure}{mark:{width}}" if width else figure for figure, mark in zip(figures, marks, strict=True)]


def marked_energy(figures: Sequence[str], records: Sequence[Mapping[str, Any]], units: Sequence[str]) -> list[str]:
    """Return a column of energies, marked alike where they do not stand in the unit that was counted itself."""
    return marked(figures, [{} if unit == "kWh" else each for each, unit in zip(records, units, strict=True)])
