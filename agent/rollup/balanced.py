"""What balances come to, exactly: from the records of one time, and what follows from their sums."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from agent.books.bodies import rounded
from agent.rollup.balance import SIGNS, Balance, Flow
from agent.rollup.total import Part, side_by_side

_ELSEWHERE = ("consumption", "generation")
"""Figures that stand in a record under other names: as its amount, and as that of the direction."""


def part_of(balance: Balance, parts: Mapping[str, Part]) -> Part | None:
    """Return what a balance comes to; None when a meter of the level says nothing of that time.

    Where one behind says nothing there is no sum of them, and the part names it.
    """
    coming, metered = ([_part(balance, flow, parts) for flow in side] for side in (balance.incoming, balance.metered))
    lacking = [flow.account for flow, part in zip(balance.metered, metered, strict=True) if part is None]
    known = [part for part in coming if part is not None]
    behind = [part for part in metered if part is not None]
    if len(known) < len(coming) or len({part.end_ns for part in (*known, *behind)}) > 1:
        return None
    consumed, whole = side_by_side(known), side_by_side([*known, *behind])
    sums = dict(consumed.sums)
    for flow in balance.incoming:
        key = f"{flow.direction}_amount"
        sums[key] = sums.get(key, 0) + parts[flow.account].sums["amount"]
    if balance.metered and not lacking:
        sums["metered_amount"] = sum(part.sums["amount"] for part in behind)
        sums["allowed_amount"] = sum(
            round(Fraction(str(flow.accuracy)) * abs(parts[flow.account].sums["amount"])) for flow in balance.bounds
        )
    return replace(
        whole,
        sums=sums,
        alike=consumed.alike,
        green=consumed.green,
        estimated=max(consumed.estimated, sum(part.estimated for part in behind)),
        missing=frozenset(lacking),
    )


def _part(balance: Balance, flow: Flow, parts: Mapping[str, Part]) -> Part | None:
    part = parts.get(flow.account)
    if part is None or part.unit != balance.unit or not part.known:
        return None
    return part if flow.sign > 0 else part.taken_away(opposed=flow.direction == "export")


def sums_of(body: Mapping[str, Any]) -> dict[str, float]:
    """Return the amounts in the record of a balance by which its figures are worked out."""
    amounts = {"consumption": body["amount"]}
    names = (*SIGNS, "metered", "allowed")
    return amounts | {name: body[f"{name}_amount"] for name in names if f"{name}_amount" in body}


def recorded(balance: Balance, body: Mapping[str, Any]) -> dict[str, float]:
    """Return the keys that follow from the sums in the body of a record, rounded to millionths."""
    return {
        f"{result.name.removesuffix('_share')}_{'percent' if result.share else 'amount'}": rounded(result.value)
        for result in balance.results(sums_of(body))
        if result.value is not None and result.name not in _ELSEWHERE
    }
