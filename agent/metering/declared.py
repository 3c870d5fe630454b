"""What people declare of a counter: that it was replaced, or what it showed when its account began.

A declaration is matched with the readings it explains: the step from `last`, the reading accepted before the change,
to `first`, the first one after it. What it makes known is booked over that step. Each is used once, restarts or not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Declaration, Reading, Rule, bookable, elapsed_ns, quanta
from drivers.value import frozen

NEAR_NS = 86_400 * NS_PER_S
"""How far from the declared time the readings may change: people round, and clocks differ."""
_MOST_CHANGES = 8
_MOST_USED = 64


@frozen
class Change:
    """A step for which nothing was booked: to the first reading of all (no `last`), or to another counter."""

    last: Reading | None
    first: Reading
    rule: Rule

    def distance_ns(self, declaration: Declaration) -> int | None:
        """Return how far a declaration that would explain it is away from it [ns]; None for one that does not."""
        if declaration.last is None:
            begins = self.last is None and declaration.first <= self.first.value
            return 0 if begins and declaration.time_ns < self.first.time_ns else None
        if self.last is None or declaration.last < self.last.value or declaration.first > self.first.value:
            return None
        away_ns = max(0, self.last.time_ns - declaration.time_ns, declaration.time_ns - self.first.time_ns)
        return away_ns if away_ns <= NEAR_NS else None

    def plausible(self, declaration: Declaration, allowed: Callable[[float, float], float]) -> bool:
        """Whether both meters may have counted in the time of the step what is declared of them."""
        if self.last is None or declaration.last is None:
            return True
        seconds = elapsed_ns(self.last, self.first) / NS_PER_S
        old = quanta(declaration.last) - quanta(self.last.value)
        new = quanta(self.first.value) - quanta(declaration.first)
        return old <= allowed(self.last.value, seconds) and new <= allowed(declaration.first, seconds)

    def objection(self, declaration: Declaration, allowed: Callable[[float, float], float]) -> str:
        """Return why a declaration does not explain this change; empty where it does, or is not of its time."""
        if self.last is None or declaration.last is None:
            return ""
        seen = f"the change from {self.last.value:.15g} to {self.first.value:.15g}"
        if max(self.last.time_ns - declaration.time_ns, declaration.time_ns - self.first.time_ns) > NEAR_NS:
            return ""
        if declaration.last < self.last.value:
            return f"{seen}, for the old meter showed more than {declaration.last:.15g}"
        if declaration.first > self.first.value:
            return f"{seen}, for the new meter showed less than {declaration.first:.15g}"
        if self.distance_ns(declaration) and not self.plausible(declaration, allowed):
            return f"{seen}, for so much cannot have been counted then, unless the time given lies within it"
        return ""


@frozen
class Late:
    """A change that was booked as unknown, and the declaration that came later: `quanta` are still to be booked."""

    change: Change
    declaration: Declaration

    @property
    def quanta(self) -> int:
        """What the declaration makes known."""
        return known_quanta(self.declaration, self.change.last, self.change.first)


def known_quanta(declaration: Declaration, last: Reading | None, first: Reading) -> int:
    """Return what was counted between the last reading before a change and the first after it."""
    before = 0 if declaration.last is None or last is None else quanta(declaration.last) - quanta(last.value)
    return before + quanta(first.value) - quanta(declaration.first)


def _whole(declaration: Declaration) -> bool:
    return all(bookable(value) for value in (declaration.last, declaration.first) if value is not None)


class Declared:
    """The declarations of one counter: those that wait, those that were used, and the changes none explains."""

    def __init__(self) -> None:
        self._pending: list[Declaration] = []
        self._used: list[str] = []
        self._changes: list[Change] = []

    def declare(self, declarations: Sequence[Declaration]) -> None:
        """Take up declarations in place of those that wait; one that cannot be booked explains nothing."""
        waiting = [each for each in declarations if each.id not in self._used and _whole(each)]
        self._pending = sorted(waiting, key=lambda each: each.time_ns)

    @property
    def pending(self) -> Sequence[Declaration]:
        """Those not used yet, the earliest first."""
        return self._pending

    def beginning(self, reading: Reading) -> Declaration | None:
        """Return what the counter showed at a time before the first reading of all."""
        change = Change(None, reading, Rule.FIRST)
        return next((each for each in self._pending if change.distance_ns(each) is not None), None)

    def leading(
        self, last: Reading, first: Reading, rule: Rule | None, allowed: Callable[[float, float], float]
    ) -> Declaration | None:
        """Return the replacement that leads from the last accepted reading to another, None when none does.

        `rule` is that by which the other one is in line, None where it is not; `allowed` is that of `late`.
        """
        seconds = elapsed_ns(last, first) / NS_PER_S
        for each in self._pending:
            change = Change(last, first, Rule.REPLACEMENT)
            away_ns = change.distance_ns(each) if each.last is not None else None
            rise = quanta(first.value) - quanta(each.first)
            if away_ns is None or rise > allowed(each.first, seconds):
                continue
            crossed = last.time_ns < each.time_ns <= first.time_ns
            own = rule is Rule.NORMAL and each.first < last.value  # the old meter goes on
            if not own and (crossed if rule else not away_ns or change.plausible(each, allowed)):
                return each
        return None

    def note(self, last: Reading | None, first: Reading, rule: Rule) -> None:
        """Remember a change for which nothing is declared yet."""
        self._changes = [*self._changes, Change(last, first, rule)][-_MOST_CHANGES:]

    def late(self, allowed: Callable[[float, float], float]) -> list[Late]:
        """Return the changes that are explained now, each with the nearest declaration.

        `allowed` says by how much [quanta] the counter may rise from a value within so many seconds: whoever is
        mistaken in the time must be right in the amount.
        """
        found = []
        free = list(self._changes)
        for each in self._pending:
            near = [
                (away, index)
                for index, one in enumerate(free)
                if (away := one.distance_ns(each)) is not None and (not away or one.plausible(each, allowed))
            ]
            if near:
                found.append(Late(free.pop(min(near)[1]), each))
        return found

    def objection(
        self, declaration: Declaration, allowed: Callable[[float, float], float]
    ) -> tuple[Change, str] | None:
        """Return the latest change a declaration might be meant for, and why it does not explain that; else None."""
        if not any(each.id == declaration.id for each in self._pending):
            return None
        told = ((each, each.objection(declaration, allowed)) for each in reversed(self._changes))
        return next(((each, why) for each, why in told if why), None)

    def use(self, declaration: Declaration, last: Reading | None, first: Reading) -> tuple[int, str]:
        """Take a declaration for a step; return what it makes known [quanta] and how to tell of it."""
        self._used = [*self._used, declaration.id][-_MOST_USED:]
        self._pending = [each for each in self._pending if each.id != declaration.id]
        self._changes = [each for each in self._changes if (each.last, each.first) != (last, first)]
        amount = known_quanta(declaration, last, first)
        what = "began at" if declaration.last is None else f"was replaced at {declaration.last:.15g} by one at"
        text = f"the counter {what} {declaration.first:.15g}, {declaration.author} declares ({declaration.reason})"
        return amount, f"{text}: {amount / QUANTA_PER_UNIT:.15g} booked"

    def take_back(self, declaration: Declaration, change: Change) -> None:
        """Forget that a declaration was used for a change, which nothing explains again."""
        self._used = [each for each in self._used if each != declaration.id]
        self.note(change.last, change.first, change.rule)

    def state(self) -> dict[str, Any]:
        """Return what must survive a restart as JSON values; what is declared is kept by who declares it."""
        changes = [[one.last.state() if one.last else None, one.first.state(), one.rule] for one in self._changes]
        return {"used": self._used, "changes": changes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier; nothing was declared of counters saved without it."""
        self._used = [str(each) for each in state.get("used", ())]
        self._changes = [
            Change(Reading.restored(last) if last else None, Reading.restored(first), Rule(rule))
            for last, first, rule in state.get("changes", ())
        ]
        self.declare(self._pending)
