"""The verdict about a bundle in plain words: what holds, what could not be checked and why, what does not hold."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """What became of a check."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: `text` says what holds, why it could not be checked, or where it fails first."""

    name: str
    state: State
    text: str


@dataclass(slots=True)
class Verdict:
    """All checks in their order."""

    checks: list[Check] = field(default_factory=list)
    held_against: list[str] = field(default_factory=list)
    """What from outside the records were held against, in words: of what was given, that which concerns them."""

    def holds(self, name: str, text: str) -> None:
        """Note what holds."""
        self.checks.append(Check(name, State.HOLDS, text))

    def fails(self, name: str, text: str) -> None:
        """Note what does not hold, and where."""
        self.checks.append(Check(name, State.FAILS, text))

    def unchecked(self, name: str, text: str) -> None:
        """Note what could not be checked, and why."""
        self.checks.append(Check(name, State.UNCHECKED, text))

    @property
    def right(self) -> bool:
        """Whether nothing failed."""
        return all(each.state is not State.FAILS for each in self.checks)

    @property
    def first(self) -> Check | None:
        """The first that failed."""
        return next((each for each in self.checks if each.state is State.FAILS), None)

    def of(self, state: State) -> Iterator[Check]:
        """Yield the checks of a state."""
        return (each for each in self.checks if each.state is state)
