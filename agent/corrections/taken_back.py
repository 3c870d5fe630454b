"""What records become when a declaration they rest on is taken back: its step is unknown again, and nothing is booked.

The shares taken away are those that were booked: a step is spread evenly, and rounded alike both ways.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.books import bodies
from agent.books.interval_body import declared_body, weighed_body
from agent.corrections.amend import DECLARED, UNDOUBTED, Body, WeightAt, next_revision
from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Declaration, Delta, Reading, Rule, elapsed_ns, millionths
from agent.metering.declared import Change, known_quanta
from agent.metering.slot import course
from agent.record import end_of, start_of, time_ns
from drivers.value import frozen

_FIGURES_OF_A_DECLARATION = ("time", "first_reading", "last_reading")
"""What tells one in evidence from others, as `Declaration.id` does: not why or by whom."""


@frozen
class Resting:
    """The records of one account that rest on a declaration, in order of time, and the step [quanta] it explains."""

    declaration: Declaration
    change: Change
    quanta: int
    since_ns: int
    records: Sequence[Body]


def rests_on(declared: Declaration, records: Sequence[Body]) -> Resting | None:
    """Return which of the records in force of an account rest on a declaration, None when none does."""
    resting = [each for each in records if _steps(each, declared)]
    if not resting:
        return None
    step = max(_steps(resting[0], declared), key=lambda each: str(each["end"]["time"]))
    first = _reading(step["end"])
    if declared.last is None:
        change = Change(None, first, Rule.FIRST)
    else:
        change = Change(_reading(step["start"]), first, Rule.REPLACEMENT)
    return Resting(declared, change, millionths(step["amount"]), time_ns(step["since"]), resting)


def for_good(resting: Resting, revisions: Sequence[Body]) -> str:
    """Return why a declaration cannot be taken back where all `revisions` are these; empty where it can.

    What is green by contract follows from each amount that is booked in its turn, and is used up by it.
    """
    if any("counted" in each for each in resting.records):
        return "its amount is worked out by pressure and temperature"
    if any(each.get("green_kwh") for each in resting.records) and not _booked_late(resting, revisions):
        return "part of it is green power by contract"
    if not _whole(resting, revisions):
        return "some of the intervals that rest on it are not in the store any more"
    if resting.quanta != known_quanta(resting.declaration, resting.change.last, resting.change.first):
        return "it was booked together with what had waited"
    return ""


def counted_as_measured(resting: Resting, revisions: Sequence[Body], gap_after_s: float) -> bool:
    """Whether what is declared counts as measured in records of which all `revisions` are given.

    What was booked across a gap, from or to a doubtful reading, or by a revision of its own, counts as estimated.
    """
    last, first = resting.change.last, resting.change.first
    if last is None or last.doubt or first.doubt or _booked_late(resting, revisions):
        return False
    return elapsed_ns(last, first) <= gap_after_s * NS_PER_S


def _whole(resting: Resting, revisions: Sequence[Body]) -> bool:
    """Whether all that was booked of a step stands in these records."""
    if not _booked_late(resting, revisions):
        ends = [resting.since_ns, *(end_of(each) for each in resting.records)]
        joined = all(start_of(each) <= before for each, before in zip(resting.records, ends, strict=False))
        return joined and ends[-1] >= resting.change.first.time_ns
    amounts = {(each["start"], each["revision"]): millionths(each["amount"]) for each in revisions}
    booked = 0
    for start in {each["start"] for each in resting.records}:
        own = [each for each in revisions if each["start"] == start and _steps(each, resting.declaration)]
        first = min(int(each["revision"]) for each in own)
        booked += amounts[start, first] - amounts.get((start, first - 1), amounts[start, first])
    return booked == resting.quanta


def _booked_late(resting: Resting, revisions: Sequence[Body]) -> bool:
    """Whether it was booked by a revision of its own."""
    told = [each for each in revisions if _steps(each, resting.declaration)]
    return min(told, key=lambda each: int(each["revision"])).get("reason") == DECLARED


def taken_back(resting: Resting, weight_at: WeightAt, reason: str, *, measured: bool) -> list[tuple[Body, int]]:
    """Return the records without what was declared, and how much [quanta] was taken from each.

    `measured` says that they count it as measured, not as estimated.
    """
    change, found, before = resting.change, [], 0
    start = change.last or Reading(resting.since_ns, 0, resting.declaration.first)
    delta = Delta(start, change.first, resting.quanta, measured, change.rule)
    for index, record in enumerate(resting.records):
        last = index == len(resting.records) - 1
        reached = resting.quanta if last else course(delta, resting.since_ns, end_of(record))
        share, before = reached - before, reached
        amount = (millionths(record["amount"]) - share) / QUANTA_PER_UNIT
        body = next_revision(record, reason) | {"amount": amount}
        if not measured:
            part = round(record["estimated"] * abs(record["amount"]) * QUANTA_PER_UNIT) - abs(share)
            body["estimated"] = bodies.share(max(0, part), millionths(amount))
        if record["quality"] in UNDOUBTED:
            body["quality"] = bodies.interval_quality(record["coverage"], body["estimated"])
        body["evidence"] = _without(record["evidence"], resting)
        found.append((body | weighed_body(amount, record.get("green_kwh", 0.0), weight_at(start_of(record))), share))
    return found


def _without(evidence: Mapping[str, Any], resting: Resting) -> Body:
    """Return evidence in which a step is one of which nothing is known."""
    of_it = _steps({"evidence": evidence}, resting.declaration)
    step = max(of_it, key=lambda each: str(each["end"]["time"]))
    rule, end = str(resting.change.rule), step["end"]
    begun = {"since": end["time"], "start": end} if resting.change.last is None else {}
    unknown = {"rule": rule, "amount": 0.0, "since": step["since"], "start": step["start"], "end": end} | begun
    others = [each for each in evidence["decisions"] if each not in of_it]
    return {**evidence, "rules": sorted({*evidence["rules"], rule}), "decisions": [*others, unknown]}


def _steps(record: Mapping[str, Any], declared: Declaration) -> list[Body]:
    """Return the steps in a record's evidence that rest on a declaration."""
    wanted = _identity(declared_body(declared)["declared"])
    decisions = record["evidence"].get("decisions", ())
    return [each for each in decisions if "declared" in each and _identity(each["declared"]) == wanted]


def _identity(said: Mapping[str, Any]) -> list[Any]:
    return [said.get(key) for key in _FIGURES_OF_A_DECLARATION]


def _reading(told: Mapping[str, Any]) -> Reading:
    """Return a reading as evidence tells of it, without the clock of its boot."""
    registers = bytes.fromhex(told.get("registers", ""))
    return Reading(time_ns(told["time"]), 0, told["value"], registers, doubt=told.get("quality", ""))
