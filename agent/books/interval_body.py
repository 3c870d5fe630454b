"""The record of account: what one interval of one account comes to, and the readings that prove it."""

from collections.abc import Sequence

from agent.books import bodies
from agent.carbon.emission import Conversion
from agent.metering.amount import QUANTA_PER_UNIT, Declaration, Reading, Rule
from agent.metering.interval import ClosedInterval
from agent.plant import Account
from agent.record import rfc3339
from drivers.point import Point
from drivers.rawtype import raw_number

_LARGEST_INTEGER = 2**53 - 1


WEIGHED = frozenset(
    {
        *("energy_kwh", "kgce", "kgce_equivalent", "scope", "co2_kg", "co2_location_kg", "co2_market_kg"),
        *("ch4_kg", "n2o_kg", "co2e_kg", "gwp", "unverified", "factor", "market_factor", "kgce_equivalent_source"),
    }
)
"""Keys of a record that follow from its amount and the factors."""


def reading_body(reading: Reading, point: Point | None) -> bodies.Body:
    """Return a reading as proof: its time, its value in the account's unit, and for counters the raw number."""
    evidence: bodies.Body = {"time": rfc3339(reading.time_ns), "value": reading.value}
    if reading.doubt:
        evidence["quality"] = reading.doubt
    if reading.registers and point:
        raw = raw_number(point.type, reading.registers, point.word_order, point.byte_order)
        # Larger integers have no canonical form (RFC 8785, 3.2.2.3), hence no hash; the registers stay exact.
        evidence |= {"raw": raw if abs(raw) <= _LARGEST_INTEGER else float(raw), "registers": reading.registers.hex()}
    if reading.condition is not None:
        evidence["condition"] = {**dict(reading.condition.inputs), "weight": reading.condition.weight}
    return evidence


def _proof(closed: ClosedInterval, point: Point | None) -> bodies.Body:
    """Return all that an amount follows from."""
    evidence: bodies.Body = {"rules": list(closed.rules)}
    for name in ("open", "open_next", "close", "close_next"):
        reading = getattr(closed, name)
        if reading is not None:
            evidence[name] = reading_body(reading, point)
    if closed.decisions:
        evidence["decisions"] = [
            {
                "rule": str(step.rule),
                "amount": step.quanta / QUANTA_PER_UNIT,
                "since": rfc3339(step.since_ns),
                "start": reading_body(step.start, point),
                "end": reading_body(step.end, point),
                **(entered_body if step.rule is Rule.MANUAL else declared_body)(step.declared),
            }
            for step in closed.decisions
        ]
    return evidence


def _counted(account: Account, closed: ClosedInterval) -> bodies.Body:
    """Return what the counter itself went on by, where the amount was weighed by pressure and temperature."""
    if closed.counted_quanta is None or account.condition is None:
        return {}
    return {"counted": closed.counted_quanta / QUANTA_PER_UNIT, "counted_unit": account.condition.counted}


def interval_body(
    site: str,
    account: Account,
    point: Point | None,
    closed: ClosedInterval,
    weight: Conversion | None,
    certificates: Sequence[str] = (),
) -> bodies.Body:
    """Return the record of account of one interval, still without its place in the chain.

    That of an output names it twice, as account and as output; it weighs nothing. `certificates` are those of the
    contracts of green power that hold for the account at its start.
    """
    amount = closed.quanta / QUANTA_PER_UNIT
    length_s = (closed.end_ns - closed.start_ns) / 1e9
    covered = min(1.0, bodies.rounded(closed.measured_s / length_s))
    estimated = bodies.share(closed.estimated_quanta, closed.quanta)
    green = closed.green_quanta / QUANTA_PER_UNIT
    body: bodies.Body = {
        "schema": "energy-agent/interval/1",
        "site": site,
        "area": account.area,
        "device": account.device,
        "account": account.name,
        **({} if account.carrier else {"output": account.name}),
        "start": rfc3339(closed.start_ns),
        "end": rfc3339(closed.end_ns),
        "revision": closed.revision,
        "amount": amount,
        "unit": account.unit,
        **_counted(account, closed),
        **weighed_body(amount, green, weight),
        **({"green_kwh": bodies.rounded(green), "certificates": list(certificates)} if green else {}),
        "coverage": covered,
        "estimated": estimated,
        "quality": bodies.interval_quality(covered, estimated, *closed.doubts),
        "evidence": _proof(closed, point),
    }
    if closed.reason:
        body["reason"] = closed.reason
    return body


def weighed_body(amount: float, green: float, weight: Conversion | None) -> bodies.Body:
    """Return what an amount, of which a part is green by contract, comes to, and by which factors."""
    if weight is None:
        return {}
    location, market = weight.co2_kg_per_unit or 0.0, weight.co2_market_kg_per_unit or 0.0
    body = bodies.weighed(amount, weight, location=amount * location, market=(amount - green) * market)
    if weight.kgce_equivalent_source:
        body["kgce_equivalent_source"] = weight.kgce_equivalent_source
    body["factor"] = bodies.factor(weight.factor)
    if weight.market_factor is not None:
        body["market_factor"] = bodies.factor(weight.market_factor)
    return body


def declared_body(declared: Declaration | None) -> bodies.Body:
    """Return what somebody declared of a step, as evidence."""
    if declared is None:
        return {}
    said: bodies.Body = {"time": rfc3339(declared.time_ns), "first_reading": declared.first}
    if declared.last is not None:
        said["last_reading"] = declared.last
    return {"declared": {**said, "reason": declared.reason, "author": declared.author}}


def entered_body(entered: Declaration | None) -> bodies.Body:
    """Return what somebody entered, and when, as evidence."""
    if entered is None:
        return {}
    said = {"time": rfc3339(entered.time_ns), "amount": entered.first}
    return {"entered": {**said, "reason": entered.reason, "author": entered.author}}
