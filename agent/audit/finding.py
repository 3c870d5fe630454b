"""What verification finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold, and where."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.place}: {self.what}"
