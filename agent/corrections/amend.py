"""What a closed interval's record becomes when it is corrected: a new body, one revision on, with its reason.

The body that was is what the store has; numbers, clocks and hashes are those of the new record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agent.books import bodies
from agent.books.interval_body import WEIGHED, declared_body, weighed_body
from agent.carbon.emission import Conversion
from agent.metering.amount import QUANTA_PER_UNIT, Delta, Rule, millionths
from agent.metering.slot import course
from agent.record import rfc3339, start_of, time_ns

_OWN = frozenset({"seq", "epoch", "clock", "previous", "hash", "reason"})
"""Keys that each record has for itself."""
UNDOUBTED = frozenset({"good", "uncertain:estimated", "uncertain:incomplete", "bad:comm_lost"})
"""Qualities that follow from coverage and estimated share alone."""
DECLARED = "declared_reading"
"""The reason of a revision that a declared replacement or initial reading caused."""
WITHDRAWN = "declaration_withdrawn"
"""The reason of a revision where it was taken back; text and author follow."""

Body = dict[str, Any]
WeightAt = Callable[[int], Conversion | None]


def in_force(records: Iterable[Body]) -> list[Body]:
    """Return the latest revision of each interval of one account, in order of time."""
    latest: dict[str, Body] = {}
    for record in records:
        former = latest.get(record["start"])
        if former is None or record["revision"] >= former["revision"]:
            latest[record["start"]] = record
    return [latest[start] for start in sorted(latest)]


def reweighed(record: Mapping[str, Any], weight: Conversion | None, reason: str) -> Body | None:
    """Return a record weighed by the factors now in force, None when they say nothing else."""
    figures = weighed_body(record["amount"], record.get("green_kwh", 0.0), weight)
    if figures == {key: value for key, value in record.items() if key in WEIGHED}:
        return None
    return next_revision(record, reason) | figures


def explained(
    records: Sequence[Body], delta: Delta, booked: int, weight_at: WeightAt, *, evidence: Mapping[str, Any]
) -> list[tuple[Body, int]]:
    """Return the records in which a change was booked as unknown, with what is known of it now, and how much each got.

    `delta` is what the counter went on by, as declared; `booked` [quanta] what that comes to as the account's amount,
    which is more or less where it is weighed. `evidence` has the readings before and after. What belongs to times
    without a record is booked with the last record, or the first.
    """
    found = []
    before = before_counted = 0
    for index, record in enumerate(records):
        end_ns = delta.end.time_ns if index == len(records) - 1 else time_ns(record["end"])
        reached = course(_of(delta, booked), delta.since_ns, end_ns)
        counted = course(delta, delta.since_ns, end_ns)
        share, share_counted = reached - before, counted - before_counted
        before, before_counted = reached, counted
        body = next_revision(record, DECLARED)
        amount = (millionths(record["amount"]) + share) / QUANTA_PER_UNIT
        body["amount"] = amount
        if "counted" in record:
            body["counted"] = (millionths(record["counted"]) + share_counted) / QUANTA_PER_UNIT
        estimated = record["estimated"] * abs(record["amount"]) + abs(share) / QUANTA_PER_UNIT
        body["estimated"] = bodies.share(estimated, amount)
        if record["quality"] in UNDOUBTED:
            body["quality"] = bodies.interval_quality(record["coverage"], body["estimated"])
        body["evidence"] = _with(record["evidence"], delta, evidence)
        body |= weighed_body(amount, record.get("green_kwh", 0.0), weight_at(start_of(record)))
        found.append((body, share))
    return found


def next_revision(record: Mapping[str, Any], reason: str) -> Body:
    """Return a record one revision on, still with its amount and without what follows from it by factors."""
    kept = {key: value for key, value in record.items() if key not in _OWN and key not in WEIGHED}
    return {**kept, "revision": record["revision"] + 1, "reason": reason}


def _with(evidence: Mapping[str, Any], delta: Delta, readings: Mapping[str, Any]) -> Body:
    """Return evidence in which a declared step stands in place of the one that was not known."""
    step = {
        "rule": str(Rule.REPLACEMENT),
        "amount": delta.quanta / QUANTA_PER_UNIT,
        "since": rfc3339(delta.since_ns),
        **readings,
        **declared_body(delta.declared),
    }
    others = [each for each in evidence.get("decisions", ()) if (each["start"], each["end"]) != _ends(step)]
    rules = sorted({*evidence["rules"], str(Rule.REPLACEMENT)})
    return {**evidence, "rules": rules, "decisions": [*others, step]}


def _ends(step: Mapping[str, Any]) -> tuple[Any, Any]:
    return step["start"], step["end"]


def _of(delta: Delta, booked: int) -> Delta:
    return Delta(delta.start, delta.end, booked, delta.measured, delta.rule)
