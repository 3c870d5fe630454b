"""What every part of the page is given, and the numbers of its sections."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from agent.bundle.page.html import text
from agent.bundle.page.words import Words
from drivers.value import frozen

Body = Mapping[str, Any]
_DAY = len("2026-11-20")
SECTIONS = (
    *("scopes", "accounts", "quality", "reservations", "revised", "factors", "meters", "events", "made.with"),
    *("captures", "chain", "recompute", "verify", "contents"),
)


def number_of(section: str) -> int:
    """Return the number of a section."""
    return SECTIONS.index(section) + 1


@frozen
class View:
    """A summary in a language; `head` is the manifest's, without its members."""

    summary: Body
    head: Body
    words: Words
    zone: ZoneInfo

    def heading(self, section: str) -> str:
        """Return the heading of a section."""
        return f'<h2 id="s{number_of(section)}">{number_of(section)}. {text(self.words(section))}</h2>\n'

    def local(self, moment: str) -> str:
        """Return a time of a record by the clock of the site, to the second, or finer where it is."""
        at = datetime.fromisoformat(moment).astimezone(self.zone)
        return f"{at:%Y-%m-%d %H:%M:%S}" + (f".{at.microsecond:06d}".rstrip("0") if at.microsecond else "")

    def span(self, told: Body) -> list[str]:
        """Return begin and end of what is told of, as cells; the end without its day where that is the same."""
        start, end = (self.short(told[key]) for key in ("from", "to"))
        day = start[:_DAY]
        return [text(start), text(end.removeprefix(f"{day} ") if end.startswith(day) else end)]

    def short(self, moment: str) -> str:
        """Return a time by the clock of the site, whole seconds cut off."""
        return self.local(moment).partition(".")[0].removesuffix(":00")
