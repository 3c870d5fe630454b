"""The record of account: what one interval of one account comes to, and the readings that prove it."""

from collections.abc import Sequence

from agent import bodies
from agent.carbon.emission import Conversion
from agent.metering.amount import QUANTA_PER_UNIT, Reading
from agent.metering.interval import ClosedInterval
from agent.plant import Account
from agent.record import rfc3339
from drivers.point import Point
from drivers.rawtype import raw_number

_LARGEST_INTEGER = 2**53 - 1


def _evidence(reading: Reading, point: Point) -> bodies.Body:
    """Return a reading as proof: its time, its value in the account's unit, and for counters the raw number."""
    evidence: bodies.Body = {"time": rfc3339(reading.time_ns), "value": reading.value}
    if reading.doubt:
        evidence["quality"] = reading.doubt
    if reading.registers:
        raw = raw_number(point.type, reading.registers, point.word_order, point.byte_order)
        # Larger integers have no canonical form (RFC 8785, 3.2.2.3), hence no hash; the registers stay exact.
        evidence |= {"raw": raw if abs(raw) <= _LARGEST_INTEGER else float(raw), "registers": reading.registers.hex()}
    if reading.condition is not None:
        evidence["condition"] = {**dict(reading.condition.inputs), "weight": reading.condition.weight}
    return evidence


def _counted(account: Account, closed: ClosedInterval) -> bodies.Body:
    """Return what the counter itself went on by, where the amount was weighed by pressure and temperature."""
    if closed.counted_quanta is None or account.condition is None:
        return {}
    return {"counted": closed.counted_quanta / QUANTA_PER_UNIT, "counted_unit": account.condition.counted}


def interval_body(
    site: str,
    account: Account,
    point: Point,
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
    evidence: bodies.Body = {"rules": list(closed.rules)}
    for name in ("open", "open_next", "close", "close_next"):
        reading = getattr(closed, name)
        if reading is not None:
            evidence[name] = _evidence(reading, point)
    if closed.decisions:
        evidence["decisions"] = [
            {
                "rule": str(step.rule),
                "amount": step.quanta / QUANTA_PER_UNIT,
                "since": rfc3339(step.since_ns),
                "start": _evidence(step.start, point),
                "end": _evidence(step.end, point),
            }
            for step in closed.decisions
        ]
    location = (weight.co2_kg_per_unit if weight else None) or 0.0
    market = (weight.co2_market_kg_per_unit if weight else None) or 0.0
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
        **bodies.weighed(amount, weight, location=amount * location, market=(amount - green) * market),
        **({"green_kwh": bodies.rounded(green), "certificates": list(certificates)} if green else {}),
        "coverage": covered,
        "estimated": estimated,
        "quality": bodies.interval_quality(covered, estimated, *closed.doubts),
        "evidence": evidence,
    }
    if closed.reason:
        body["reason"] = closed.reason
    if weight is not None:
        body["factor"] = bodies.factor(weight.factor)
        if weight.market_factor is not None:
            body["market_factor"] = bodies.factor(weight.market_factor)
    return body
