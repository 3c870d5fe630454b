"""What the interval records of a period come to, account by account, exactly: every figure is added in millionths.

Records are gone through twice, so that never more than the doubtful ones are held: first for the revisions there are,
then to add those in force.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.bundle.spans import Spans
from agent.metering.amount import QUANTA_PER_UNIT
from agent.record import rfc3339, time_ns
from agent.rollup.total import Part, Sum
from drivers.value import frozen

Body = dict[str, Any]
_US_PER_NS = 1000
_PLAIN = ["normal"], ["integral"]
_AMOUNT_CERTAIN = "good", "uncertain:clock_unsynced"
_WEIGHED = ("set", "id", "version", "value", "unit", "confidence", "note")


@frozen
class Reservation:
    """Intervals that follow each other and are not plainly measured: why, and how much of it."""

    account: str
    start_ns: int
    end_ns: int
    quality: str
    rules: tuple[str, ...]
    reason: str
    said: tuple[str, ...]
    """What people said of it: reason and author of declared and entered amounts."""
    amount: int
    estimated: int
    measured_us: int
    unit: str
    intervals: int = 1

    def followed(self, other: "Reservation") -> "Reservation | None":
        """Return both together if the other is like this one and follows it."""
        if other.alike != self.alike or other.start_ns != self.end_ns:
            return None
        return replace(
            self,
            end_ns=other.end_ns,
            amount=self.amount + other.amount,
            estimated=self.estimated + other.estimated,
            measured_us=self.measured_us + other.measured_us,
            intervals=self.intervals + other.intervals,
        )

    def told(self) -> Body:
        """Return it as a summary has it."""
        length_us = (self.end_ns - self.start_ns) // _US_PER_NS
        line: Body = {
            "account": self.account,
            "from": rfc3339(self.start_ns),
            "to": rfc3339(self.end_ns),
            "intervals": self.intervals,
            "amount": self.amount / QUANTA_PER_UNIT,
            "estimated_amount": self.estimated / QUANTA_PER_UNIT,
            "unit": self.unit,
            "coverage": min(1.0, round(self.measured_us / length_us, 6)),
            "quality": self.quality,
        }
        line |= {"rules": list(self.rules)} if self.rules else {}
        line |= {"reason": self.reason} if self.reason else {}
        return line | ({"said": list(self.said)} if self.said else {})

    @property
    def alike(self) -> tuple[object, ...]:
        """What intervals have in common that are told of as one."""
        return self.account, self.quality, self.rules, self.reason, self.said, self.unit


@dataclass(slots=True)
class Account:
    """What is known of one account."""

    first: Body
    """Its first record: what it is called and where it stands."""
    sum: Sum = field(default_factory=Sum)
    there: Spans = field(default_factory=Spans)
    qualities: Counter[str] = field(default_factory=Counter)


class Tally:
    """The intervals of [start_ns, end_ns) (Unix, ns)."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self.start_ns, self.end_ns = start_ns, end_ns
        self.accounts: dict[str, Account] = {}
        self._reservations: list[Reservation] = []
        self._latest: dict[str, Reservation] = {}
        """The last one of each account, which the next may continue."""
        self.revised: list[Body] = []
        """Records that took the place of others, whatever became of them; as recorded."""
        self.factors: dict[tuple[Any, ...], Body] = {}
        self.example: Body | None = None
        """A plain interval to be recomputed by hand."""
        self._in_force: dict[tuple[str, str], int] = {}
        self._from, self._to = rfc3339(start_ns), rfc3339(end_ns)

    def within(self, body: Mapping[str, Any]) -> bool:
        """Return whether a record is an interval that starts in the period."""
        return body.get("schema") == "energy-agent/interval/1" and bool(self._from <= body["start"] < self._to)

    def look(self, body: Body) -> None:
        """Note the revision of a record, in the first pass."""
        if body["revision"]:
            key = body["account"], body["start"]
            self._in_force[key] = max(body["revision"], self._in_force.get(key, 0))
            self.revised.append({name: body[name] for name in ("account", "start", "end", "revision")} | _said(body))

    def take(self, body: Body) -> None:
        """Add a record if it is in force, in the second pass."""
        if self._in_force.get((body["account"], body["start"]), 0) != body["revision"]:
            return
        account = self.accounts.setdefault(body["account"], Account(body))
        part = Part.of(body)
        start_ns, end_ns = time_ns(body["start"]), time_ns(body["end"])
        account.sum.add(part)
        account.there.add(start_ns, end_ns)
        account.qualities[body["quality"]] += 1
        for key in ("factor", "market_factor"):
            if key in body:
                self._factor(body, key)
        rules = body["evidence"]["rules"]
        plain = not body["estimated"] and body["coverage"] >= 1 and rules in _PLAIN
        if not plain or body["quality"] != "good":
            self._reserve(_reservation(body, part, start_ns, end_ns))
        if plain and self.example is None and body["quality"] in _AMOUNT_CERTAIN and _shows_all(body):
            self.example = body

    def _factor(self, body: Body, key: str) -> None:
        used = body[key]
        name = (key, *(used.get(each) for each in _WEIGHED))
        found = self.factors.get(name)
        if found is None:
            found = self.factors[name] = {**used, "accounts": [], "first": body["start"], "last": body["start"]}
            found |= {"market": True} if key == "market_factor" else {}
        if body["account"] not in found["accounts"]:
            found["accounts"].append(body["account"])
        found["first"], found["last"] = min(found["first"], body["start"]), max(found["last"], body["start"])

    def _reserve(self, reservation: Reservation) -> None:
        latest = self._latest.get(reservation.account)
        together = latest.followed(reservation) if latest else None
        if latest and not together:
            self._reservations.append(latest)
        self._latest[reservation.account] = together or reservation

    def told(self) -> list[Body]:
        """Return what is not plainly measured, and what there is no record of, by account and time."""
        known = sorted([*self._reservations, *self._latest.values()], key=lambda each: (each.account, each.start_ns))
        found = [each.told() for each in _merged(known)]
        for name, account in self.accounts.items():
            for start_ns, end_ns in account.there.holes(self.start_ns, self.end_ns):
                found.append({"account": name, "from": rfc3339(start_ns), "to": rfc3339(end_ns), "missing": True})
        return sorted(found, key=lambda each: (each["account"], each["from"]))


def _reservation(body: Body, part: Part, start_ns: int, end_ns: int) -> Reservation:
    evidence = body["evidence"]
    people = [step.get("declared") or step.get("entered") for step in evidence.get("decisions", ())]
    return Reservation(
        account=body["account"],
        start_ns=start_ns,
        end_ns=end_ns,
        quality=body["quality"],
        rules=tuple(rule for rule in evidence["rules"] if rule not in ("normal", "integral")),
        reason=body.get("reason", ""),
        said=tuple(sorted({f"{each['reason']} ({each['author']})" for each in people if each})),
        amount=part.sums["amount"],
        estimated=part.estimated,
        measured_us=part.measured_us,
        unit=body["unit"],
    )


def _shows_all(body: Body) -> bool:
    """Return whether an interval has two counter readings at each end and a factor: all that a recomputation needs."""
    readings = [body["evidence"].get(name, {}) for name in ("open", "open_next", "close", "close_next")]
    counted = all("registers" in reading and "condition" not in reading for reading in readings)
    return counted and body["amount"] > 0 and "co2_kg" in body and "decisions" not in body["evidence"]


def _said(body: Body) -> Body:
    return {"reason": body["reason"]} if body.get("reason") else {}


def _merged(sorted_by_start: Iterable[Reservation]) -> Iterator[Reservation]:
    """Yield one for those alike that follow each other, though they were recorded in another order."""
    before: Reservation | None = None
    for each in sorted_by_start:
        together = before.followed(each) if before else None
        if before and not together:
            yield before
        before = together or each
    if before:
        yield before
