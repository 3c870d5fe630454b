"""Intensities of one period, from the records of intervals or roll-ups in force."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.intensity.ratio import CO2, ENERGY, WATER, Made, Members, Spent, ratio
from agent.plant import Intensity
from agent.rollup.periods import ONE_INTERVAL

_DERIVED = frozenset({"good", "uncertain:estimated", "uncertain:incomplete", "bad:comm_lost"})
"""Qualities that follow from coverage and estimated share."""

Body = dict[str, Any]


def intensity_of_period(intensity: Intensity, records: Mapping[str, Body]) -> Body:
    """Return energy, emission and water per output of one period.

    `records` are those of the period by account and output. Where that of a member or of the output is missing, or
    does not hold all its intervals, there is no figure, and `missing` names them: they are of unequal time.
    """
    names = (intensity.output, *intensity.accounts, *intensity.water)
    missing = [name for name in names if name not in records]
    missing = missing or not_whole({name: records[name] for name in names})
    body: Body = {"intensity": intensity.name}
    if first := next((records[name] for name in names if name in records), None):
        body |= {
            key: first[key]
            for key in ("period", "shift", "start", "end")
            if first.get(key, ONE_INTERVAL) != ONE_INTERVAL
        }
    if missing:
        return body | {"output": intensity.output, "missing": missing}
    produced = records[intensity.output]
    made = Made(intensity.output, produced["amount"], produced["unit"], *_known(produced))
    members = Members(
        [_spent(name, records[name]) for name in intensity.accounts],
        [Spent(name, {WATER: records[name]["amount"]}, *_known(records[name])) for name in intensity.water],
    )
    return body | ratio(members, made)


def intensities(intensity: Intensity, records: Iterable[Body]) -> list[Body]:
    """Return the intensity of every period that records tell of, by start; `records` are in force, of any account."""
    names = {intensity.output, *intensity.accounts, *intensity.water}
    periods: dict[tuple[str, str, str], dict[str, Body]] = {}
    for record in records:
        if record["account"] in names:
            key = (record["start"], record.get("period", ONE_INTERVAL), record.get("shift", ""))
            periods.setdefault(key, {})[record["account"]] = record
    return [intensity_of_period(intensity, periods[key]) for key in sorted(periods)]


def not_whole(records: Mapping[str, Body]) -> list[str]:
    """Return of which accounts the roll-up lacks intervals of its period."""
    return [name for name, record in records.items() if record.get("intervals") != record.get("expected")]


def _spent(name: str, record: Body) -> Spent:
    figures = {key: record[key] for key in (*ENERGY, *CO2) if key in record}
    return Spent(name, figures, *_known(record), bool(record.get("unverified")))


def _known(record: Body) -> tuple[float, float, frozenset[str]]:
    return record["coverage"], record["estimated"], frozenset({record["quality"]} - _DERIVED)
