"""The verdict in plain words: what holds, what could not be checked and why, what does not hold, and the sum of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from agent.audit.trusted import Trusted
from drivers.value import frozen

_GIVE = "Give --key or --seals with what you have from elsewhere."


class State(StrEnum):
    """What became of a check."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNCHECKED = "not checked"
    NOTE = "note"


@frozen
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
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    """The time zone of the site, where it is known."""
    keys: list[str] = field(default_factory=list)
    """Public keys that they are signed with, and whose those are, in words."""

    def holds(self, name: str, text: str) -> None:
        """Note what holds."""
        self.checks.append(Check(name, State.HOLDS, text))

    def fails(self, name: str, text: str) -> None:
        """Note what does not hold, and where."""
        self.checks.append(Check(name, State.FAILS, text))

    def unchecked(self, name: str, text: str) -> None:
        """Note what could not be checked, and why."""
        self.checks.append(Check(name, State.UNCHECKED, text))

    def note(self, name: str, text: str) -> None:
        """Note what is worth knowing and weakens nothing."""
        self.checks.append(Check(name, State.NOTE, text))

    def signed(self, keys: Iterable[str], trusted: Trusted) -> None:
        """Note the keys that records are signed with, and whose they are as far as that is known from elsewhere."""
        of_seals = {str(seal.body["public_key"]) for seal in trusted.seals or ()}
        for key in keys:
            if key in trusted.keys:
                whose = "which you gave"
            elif key in of_seals:
                whose = "that of the seals you gave"
            else:
                whose = "which you did not give: compare it with the operator's from elsewhere"
            self.keys.append(f"{key}, {whose}")

    @property
    def right(self) -> bool:
        """Whether nothing failed."""
        return all(each.state is not State.FAILS for each in self.checks)

    @property
    def empty(self) -> bool:
        """Whether nothing could be checked."""
        return not any(each.state in {State.HOLDS, State.FAILS} for each in self.checks)

    @property
    def first(self) -> Check | None:
        """The first that failed."""
        return next((each for each in self.checks if each.state is State.FAILS), None)

    def of(self, state: State) -> Iterator[Check]:
        """Yield the checks of a state."""
        return (each for each in self.checks if each.state is state)

    def sentence(self, what: str, trusted: Trusted) -> str:
        """Return the sum of it; `what` was looked at, such as "this bundle", with what is `trusted`."""
        if self.first:
            return f"{what} does not hold. The first that is wrong: {self.first.text}"
        signed = f" It is signed with {'; and with '.join(self.keys)}." if self.keys else ""
        if not self.held_against:
            given = trusted.keys or trusted.authorities or trusted.seals is not None
            more = "Nothing of what you gave concerns these records." if given else _GIVE
            return (
                f"{what} holds together in itself. It was held against nothing from outside: one made anew, whole and "
                f"with another key, would look the same. {more}{signed}"
            )
        unchecked = ", ".join(dict.fromkeys(each.name for each in self.of(State.UNCHECKED)))
        more = f", apart from what was not checked above ({unchecked})" if unchecked else ""
        return f"{what} holds, in itself and against {' and '.join(self.held_against)} you gave{more}.{signed}"
