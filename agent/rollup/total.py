"""What interval records add up to, exactly: every figure of a record is a whole number of millionths of its unit.

Missing is not zero: a figure that one of the records does not have, the total does not have either.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from agent.books import bodies, interval_body
from agent.carbon.conversion import Conversion
from agent.metering.amount import NOTHING_KNOWN, QUANTA_PER_UNIT, millionths
from agent.record import rfc3339
from agent.rollup.periods import SHIFT, Span
from drivers.reading import Quality
from drivers.value import frozen

SCHEMA = "energy-agent/rollup/1"
SUMMED = (
    *("amount", "energy_kwh", "kgce", "kgce_equivalent", "co2_kg", "co2_location_kg", "co2_market_kg"),
    *("ch4_kg", "n2o_kg", "co2e_kg", "cost_cny"),
    *("import_amount", "export_amount", "generation_amount", "charge_amount", "discharge_amount"),
    *("metered_amount", "allowed_amount"),
)
"""Keys whose values add up."""
_COUNTED = frozenset({"amount", "cost_cny"})
"""Keys whose values are above zero also for what leaves the site."""
ALIKE = ("scope", "gwp")
"""Keys a total has where all its records say the same."""
_DERIVED = frozenset({"good", "uncertain:estimated", "uncertain:incomplete"})
"""Qualities that follow from coverage and estimated share alone."""
_NO_FIGURES = frozenset({"revision", "reason", "clock", "seq", "epoch", "source"})

Body = dict[str, Any]


@frozen
class Part:
    """What one record, or several, come to: `sums` and `green`, `estimated` in millionths, `measured_us` in µs."""

    unit: str
    sums: Mapping[str, int]
    alike: Mapping[str, Any]
    green: int
    estimated: int
    measured_us: int
    unverified: bool
    doubts: frozenset[str]
    intervals: int
    from_seq: int
    to_seq: int
    digest: bytes
    end_ns: int = 0
    known: bool = True
    """Whether it tells of its time: an interval in which nothing was read, and nothing booked, does not."""
    missing: frozenset[str] = frozenset()
    """Accounts of a balance that did not tell of all of its time."""
    expected: int = 0
    """How many intervals the period of a roll-up has."""

    @staticmethod
    def of(body: Mapping[str, Any], end_ns: int = 0) -> "Part":
        """Return what an interval record, or a roll-up of some, says."""
        amount = millionths(body["amount"])
        if "source" in body:
            measured_us, estimated = millionths(body["measured_s"]), millionths(body["estimated_amount"])
            count, source, digest = body["intervals"], body["source"], body["source"]["hash"]
        else:
            measured_us = millionths(body["coverage"]) * length_s(body)
            estimated = round(abs(amount) * Fraction(millionths(body["estimated"]), QUANTA_PER_UNIT))
            count, source, digest = 1, {"from_seq": body["seq"], "to_seq": body["seq"]}, body.get("hash", "")
        doubt = body["quality"]
        return Part(
            unit=body["unit"],
            sums={key: millionths(body[key]) for key in SUMMED if key in body},
            alike={key: body[key] for key in ALIKE if key in body},
            green=millionths(body.get("green_kwh", 0.0)),
            estimated=estimated,
            measured_us=measured_us,
            unverified=bool(body.get("unverified")),
            doubts=frozenset() if doubt in _DERIVED or doubt == Quality.COMM_LOST.label else frozenset({doubt}),
            intervals=count,
            from_seq=source["from_seq"],
            to_seq=source["to_seq"],
            digest=digest.encode(),
            end_ns=end_ns,
            known="source" in body or _tells(body),
            missing=frozenset(body.get("missing", ())),
            expected=body.get("expected", 0),
        )

    def portion(self, since: Fraction, until: Fraction) -> "Part":
        """Return the part from one share of it to another: parts that follow each other add up to the whole."""

        def cut(amount: int) -> int:
            return _floor(amount * until) - _floor(amount * since)

        sums = {key: cut(amount) for key, amount in self.sums.items()}
        return replace(self, sums=sums, green=cut(self.green), estimated=cut(self.estimated))

    def weighed(self, weight: Conversion | None) -> "Part":
        """Return the same amount with the energy and emission of another weight, and without a price."""
        amount = self.sums["amount"] / QUANTA_PER_UNIT
        body = interval_body.weighed_body(amount, 0.0, weight)
        sums = {"amount": self.sums["amount"], **{key: millionths(body[key]) for key in SUMMED if key in body}}
        alike = {key: body[key] for key in ALIKE if key in body}
        unverified = self.unverified or bool(weight and weight.unverified)
        return replace(self, sums=sums, alike=alike, unverified=unverified)

    def taken_away(self, *, opposed: bool) -> "Part":
        """Return the same to be taken away; what is estimated of it stays estimated.

        `opposed` is what leaves the site where the rest comes in, or the reverse: its energy and emission have the
        other sign already, and only its amount and its price are turned.
        """
        kept = self.sums.keys() - _COUNTED if opposed else frozenset[str]()
        sums = {key: amount if key in kept else -amount for key, amount in self.sums.items()}
        return replace(self, sums=sums, green=-self.green)


class Sum:
    """What parts come to together that follow each other in time."""

    def __init__(self) -> None:
        self._first: Part | None = None
        self._sums: dict[str, int] = {}
        self._alike: dict[str, Any] = {}
        self._green = self._estimated = self._measured_us = self._intervals = self._to_seq = 0
        self._from_seq = 1 << 63
        self._unverified = False
        self._doubts: set[str] = set()
        self._missing: set[str] = set()
        self._digest = hashlib.sha256()

    def add(self, part: Part) -> None:
        """Take the next part."""
        if self._first is None:
            self._first = part
            self._sums, self._alike = dict(part.sums), dict(part.alike)
        else:
            self._sums = {key: amount + part.sums[key] for key, amount in self._sums.items() if key in part.sums}
            self._alike = {key: value for key, value in self._alike.items() if part.alike.get(key) == value}
        self._green += part.green
        self._estimated += part.estimated
        self._measured_us += part.measured_us
        self._intervals += part.intervals
        self._from_seq, self._to_seq = min(self._from_seq, part.from_seq), max(self._to_seq, part.to_seq)
        self._unverified = self._unverified or part.unverified
        self._doubts |= part.doubts
        self._missing |= part.missing
        self._digest.update(part.digest)

    @property
    def total(self) -> Part:
        """The parts together; there must be one."""
        if self._first is None:
            raise ValueError("nothing was added")
        return Part(
            unit=self._first.unit,
            sums=dict(self._sums),
            alike=dict(self._alike),
            green=self._green,
            estimated=self._estimated,
            measured_us=self._measured_us,
            unverified=self._unverified,
            doubts=frozenset(self._doubts),
            intervals=self._intervals,
            from_seq=self._from_seq,
            to_seq=self._to_seq,
            digest=f"sha256:{self._digest.hexdigest()}".encode(),
            end_ns=self._first.end_ns,
            missing=frozenset(self._missing),
        )


def side_by_side(parts: Sequence[Part]) -> Part:
    """Return what parts of the same time come to together: measured as far as the least of them."""
    whole = Sum()
    for part in parts:
        whole.add(part)
    return replace(
        whole.total,
        measured_us=min(part.measured_us for part in parts),
        intervals=min(part.intervals for part in parts),
    )


def rollup_body(head: Mapping[str, Any], span: Span, part: Part, expected: int) -> Body:
    """Return the record of a period, still without its revision; `head` says of what."""
    length_us = (span.end_ns - span.start_ns) // 1000
    covered = min(1.0, bodies.rounded(part.measured_us / length_us))
    estimated = bodies.share(part.estimated, part.sums["amount"])
    figures = {key: amount / QUANTA_PER_UNIT for key, amount in part.sums.items()}
    body: Body = {
        "schema": SCHEMA,
        **head,
        "period": span.period,
        **({"shift": span.name} if span.period == SHIFT else {}),
        "start": rfc3339(span.start_ns),
        "end": rfc3339(span.end_ns),
        "amount": figures.pop("amount"),
        "unit": part.unit,
        **figures,
        **part.alike,
    }
    if part.green:
        body["green_kwh"] = part.green / QUANTA_PER_UNIT
    if part.unverified:
        body["unverified"] = True
    if part.missing:
        body["missing"] = sorted(part.missing)
    return body | {
        "coverage": covered,
        "estimated": estimated,
        "quality": bodies.interval_quality(covered, estimated, *part.doubts),
        "measured_s": part.measured_us / QUANTA_PER_UNIT,
        "estimated_amount": part.estimated / QUANTA_PER_UNIT,
        "intervals": part.intervals,
        "expected": expected,
        "source": {"from_seq": part.from_seq, "to_seq": part.to_seq, "hash": part.digest.decode()},
    }


def same_figures(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two records of a period say the same, whichever records they come from."""
    keys = (one.keys() | other.keys()) - _NO_FIGURES
    return all(one.get(key) == other.get(key) for key in keys)


def length_s(body: Mapping[str, Any]) -> int:
    """Return how long the interval of a record is [s]."""
    return round((datetime.fromisoformat(body["end"]) - datetime.fromisoformat(body["start"])).total_seconds())


def _tells(body: Mapping[str, Any]) -> bool:
    """Return whether an interval record tells of its time: it was measured, or what was booked went over all of it."""
    rules = set(body.get("evidence", {}).get("rules", ()))
    return bool(body["coverage"] or body["amount"] or (rules and not rules & NOTHING_KNOWN))


def _floor(value: Fraction) -> int:
    return value.numerator // value.denominator
