"""How commands say times, spans and counts."""

from collections.abc import Mapping
from datetime import datetime

_MINUTE_S, _HOUR_MIN = 60, 60


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
