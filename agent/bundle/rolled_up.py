"""Roll-ups held against the interval records they were added up from: periods, and what is worked out from several.

Invariants:
- A roll-up holds when the records in force come to the same figures; it is wrong when they come to others although it
  names the very records. Where it was made of others (since revised, or not here), that cannot be told.
- Records come in the order of their starts, all of a start together; a month is made of the days that are told.
- What is worked out from several accounts follows from the configuration, so it is only told of one that never changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, BinaryIO

import orjson

from agent.record import end_of, start_of
from agent.replay.verdict import first_difference
from agent.rollup.members import Members
from agent.rollup.periods import DAY, MONTH, Span
from agent.rollup.reading import Kept
from agent.rollup.total import Part, Sum, rollup_body

Body = Mapping[str, Any]
_SAID = frozenset(
    {
        *("schema", "site", "area", "device", "account", "virtual", "output", "revision", "reason", "clock", "seq"),
        *("epoch", "source", "expected", "period", "shift", "start", "end"),
    }
)
"""Keys that say of what a roll-up is, when it was made and of what: no figures."""


@dataclass(slots=True)
class RolledUp:
    """What became of the roll-ups in force."""

    same: int = 0
    wrong: list[str] = field(default_factory=list)
    of_others: int = 0
    """Those that were made of other records than are in force here."""
    worked_out: int = 0
    """Those that follow from a configuration which is not known."""


class RollupCheck:
    """Takes interval records in force, and holds roll-ups against what they come to."""

    def __init__(self, rollups: Iterable[Body], members: Members | None, *, other_version: bool = False) -> None:
        """`rollups` are those in force, by their starts, and read one by one as far as records have come.

        `members` say how accounts are worked out from others; None where that has changed meanwhile. Another version
        may tell of more or of less: only what both have a word for is compared then.
        """
        self._rollups = iter(rollups)
        self._members, self._other_version = members, other_version
        self.found = RolledUp()
        self._next = next(self._rollups, None)
        self._open: dict[str, list[tuple[Body, Sum]]] = {}
        self._months: list[Body] = []
        self._days: dict[str, list[Body]] = {}

    def add(self, start_ns: int, bodies: Mapping[str, Body]) -> None:
        """Take the interval records in force of a start (Unix, ns), by their accounts."""
        parts = {name: Part.of(body, end_of(body)) for name, body in bodies.items()}
        if self._members:
            wanted = [name for name in self._members.accounts if self._members.is_worked_out(name)]
            kept = {Kept(name, "", ""): dict(body) for name, body in bodies.items()}
            worked_out = self._members.parts(wanted, kept, start_ns)
            units = {name: self._members.accounts[name].unit for name in worked_out}
            parts |= {name: part for name, part in worked_out.items() if part.unit == units[name]}
        while self._next and start_of(self._next) <= start_ns:
            self._begin(self._next)
        for name, part in parts.items():
            for body, together in self._open.pop(name, []):
                if end_of(body) <= start_ns:
                    self._judge(body, together)
                else:
                    together.add(part)
                    self._open.setdefault(name, []).append((body, together))

    def end(self) -> RolledUp:
        """Judge what is left, and return what became of all of them."""
        while self._next:
            self._begin(self._next)
        for opened in self._open.values():
            for body, together in opened:
                self._judge(body, together)
        for month in self._months:
            together = Sum()
            for day in self._days.get(month["account"], []):
                if start_of(month) <= start_of(day) < end_of(month):
                    together.add(Part.of(day))
            self._judge(month, together)
        return self.found

    def _begin(self, body: Body) -> None:
        """Begin with a roll-up, and look at the next one."""
        account = body["account"]
        if "virtual" in body and (self._members is None or account not in self._members.accounts):
            self.found.worked_out += 1
        elif body["period"] == MONTH:
            self._months.append(body)
        else:
            self._open.setdefault(account, []).append((body, Sum()))
        if body["period"] == DAY:
            self._days.setdefault(account, []).append(body)
        self._next = next(self._rollups, None)

    def _judge(self, told: Body, together: Sum) -> None:
        try:
            total = together.total
        except ValueError:  # no record of that time is here
            self.found.of_others += 1
            return
        made = self._made(told, total)
        keys = (told.keys() & made.keys() if self._other_version else told.keys() | made.keys()) - _SAID
        one, other = ({key: each[key] for key in sorted(keys) if key in each} for each in (told, made))
        difference = first_difference(one, other)
        if difference is None:
            self.found.same += 1
        elif total.digest.decode() == told["source"]["hash"]:
            key, said, right = difference
            shown = [orjson.dumps(each).decode()[:100] for each in (said, right)]
            what = f"{told['account']}, {told['period']} {told['start']}, number {told['seq']}"
            self.found.wrong.append(f"{what}: {key} is {shown[0]}, its records come to {shown[1]}")
        else:
            self.found.of_others += 1

    def _made(self, told: Body, total: Part) -> dict[str, Any]:
        span = Span(told["period"], told.get("shift", ""), start_of(told), end_of(told))
        made = rollup_body({"account": told["account"]}, span, total, 0)
        if self._members and "virtual" in told:
            made = self._members.completed(made)
        read_back: dict[str, Any] = orjson.loads(orjson.dumps(made))
        return read_back


def in_force(file: BinaryIO, wanted: Callable[[Body], bool]) -> Iterator[Body]:
    """Yield the records of a file that are `wanted` and in force, by their starts; one at a time is in memory."""
    latest: dict[tuple[int, str, str, str], tuple[int, int]] = {}
    place = 0
    for line in file:
        body = orjson.loads(line)
        if wanted(body):
            key = start_of(body), body["account"], body.get("period", ""), body.get("shift", "")
            latest[key] = max((body["revision"], place), latest.get(key, (-1, 0)))
        place += len(line)
    for key in sorted(latest):
        file.seek(latest[key][1])
        yield orjson.loads(file.readline())


def by_start(records: Iterable[Body]) -> Iterator[tuple[int, dict[str, Body]]]:
    """Yield interval records by their accounts, start by start (Unix, ns)."""
    for start_ns, found in groupby(records, key=start_of):
        yield start_ns, {body["account"]: body for body in found}
