"""What verification finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold, and where; `line` is its record's, counted from 1, 0 where it is of none."""

    place: str
    what: str
    line: int = 0

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.place}: {self.what}"
