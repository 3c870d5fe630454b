"""What records say: pure functions from figures to the JSON objects of the contract.

Keys carry their unit; a value that is missing is an absent key; numbers are finite. Derived figures are rounded
to six decimals, the resolution in which amounts are booked.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agent.carbon.emission import Conversion
from agent.carbon.factors import Factor
from agent.ledger import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED, MEASURED_S, Ledger, WindowFigures
from agent.metering.amount import QUANTA_PER_UNIT, Reading
from agent.metering.interval import ClosedInterval
from agent.plant import Account, Intensity
from agent.record import rfc3339
from drivers.point import Point
from drivers.profile import Profile
from drivers.quantity import Kind
from drivers.rawtype import raw_number
from drivers.reading import Frame, Quality
from drivers.unit import UNITS

Body = dict[str, Any]

_COMPLETE = 0.95
"""Share of an interval that must be measured for it to be called good."""
_HOUR_S = 3600.0
_DECIMALS = 6
_LARGEST_INTEGER = 2**53 - 1


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)


class TelemetryKeys:
    """The JSON keys of a profile's published points, worked out once."""

    def __init__(self, profile: Profile) -> None:
        self.points = [
            (index, point.quantity.key)
            for index, point in enumerate(profile.points)
            if point.quantity is not None and point.quantity.kind is not Kind.TEXT
        ]


def telemetry(site: str, area: str, frame: Frame, keys: TelemetryKeys) -> Body:
    """Return the record of one frame: its values, and the quality of what is not good."""
    values: dict[str, float] = {}
    quality: dict[str, str] = {}
    measured, codes = frame.values.tolist(), frame.quality.tolist()
    for index, key in keys.points:
        code = codes[index]
        if code < Quality.COMM_LOST:
            values[key] = measured[index]
        if code not in (Quality.GOOD, Quality.NOT_READ):
            quality[key] = Quality(code).label
    body: Body = {
        "schema": "energy-agent/telemetry/1",
        "site": site,
        "area": area,
        "device": frame.device,
        "time": rfc3339(frame.time_ns),
        "values": values,
    }
    if quality:
        body["quality"] = quality
    return body


def _weighed(amount: float, weight: Conversion | None) -> Body:
    if weight is None:
        return {}
    return {
        "energy_kwh": _rounded(amount * weight.kwh_per_unit),
        "kgce": _rounded(amount * weight.kgce_per_unit),
    }


def _co2(weight: Conversion | None, location: float, market: float) -> Body:
    if weight is None or weight.co2_kg_per_unit is None:
        return {}
    body: Body = {"scope": weight.scope, "co2_kg": _rounded(location)}
    if weight.co2_market_kg_per_unit is not None:
        body |= {"co2_location_kg": _rounded(location), "co2_market_kg": _rounded(market)}
    return body


def _mark(weight: Conversion | None) -> Body:
    """Return the mark that every figure carries which rests on an unverified factor."""
    return {"unverified": True} if weight is not None and weight.unverified else {}


def account_window(
    site: str, account: Account, figures: WindowFigures, column: int, weight: Conversion | None, time_ns: int
) -> Body:
    """Return the rolling figures of one account over one span."""
    values = figures.values[:, column]
    amount = float(values[AMOUNT])
    body: Body = {
        "schema": "energy-agent/window/1",
        "site": site,
        "area": account.area,
        "device": account.device,
        "account": account.name,
        "span": figures.span,
        "time": rfc3339(time_ns),
        "amount": _rounded(amount),
        "unit": account.unit,
        **_weighed(amount, weight),
        **_co2(weight, values[CO2_KG], values[CO2_MARKET_KG]),
        **_mark(weight),
        "coverage": coverage(values, figures),
        "estimated": _estimated(values),
    }
    if weight is not None and weight.kwh_per_unit and figures.elapsed_s > 0:
        body["mean_power_kw"] = _rounded(amount * weight.kwh_per_unit / figures.elapsed_s * _HOUR_S)
    return body


def coverage(values: np.ndarray[Any, np.dtype[np.float64]], figures: WindowFigures) -> float:
    """Return the share of the whole span that was measured, 0 to 1."""
    return min(1.0, _rounded(float(values[MEASURED_S]) / figures.span_s))


def _estimated(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    return _share(float(values[ESTIMATED]), float(values[AMOUNT]))


def _share(part: float, whole: float) -> float:
    return _rounded(min(1.0, abs(part / whole))) if whole else 0.0


def intensity_window(site: str, intensity: Intensity, ledger: Ledger, figures: WindowFigures, time_ns: int) -> Body:
    """Return energy and emission per output over one span; the intensities are absent while nothing is made."""
    output = ledger.books[intensity.output].account
    produced = figures.values[:, ledger.position[intensity.output]]
    energy = kgce = co2 = market = 0.0
    covered = coverage(produced, figures)
    estimated = _estimated(produced)
    unverified = False
    for name in intensity.accounts:
        values = figures.values[:, ledger.position[name]]
        weight = ledger.conversions.at(ledger.books[name].account, time_ns)
        if weight is not None:
            energy += float(values[AMOUNT]) * weight.kwh_per_unit
            kgce += float(values[AMOUNT]) * weight.kgce_per_unit
            unverified = unverified or weight.unverified
        co2 += float(values[CO2_KG])
        market += float(values[CO2_MARKET_KG])
        covered = min(covered, coverage(values, figures))
        estimated = max(estimated, _estimated(values))
    made = float(produced[AMOUNT])
    body: Body = {
        "schema": "energy-agent/window/1",
        "site": site,
        "intensity": intensity.name,
        "span": figures.span,
        "time": rfc3339(time_ns),
        "output": intensity.output,
        "output_amount": _rounded(made),
        "output_unit": output.unit,
        "energy_kwh": _rounded(energy),
        "kgce": _rounded(kgce),
        "co2_kg": _rounded(co2),
        "co2_market_kg": _rounded(market),
        "coverage": covered,
        "estimated": estimated,
    }
    if unverified:
        body["unverified"] = True
    if made > 0:
        per = UNITS[output.unit].key or output.unit
        body |= {
            f"energy_kwh_per_{per}": _rounded(energy / made),
            f"kgce_per_{per}": _rounded(kgce / made),
            f"co2_kg_per_{per}": _rounded(co2 / made),
            f"co2_market_kg_per_{per}": _rounded(market / made),
        }
    return body


def _evidence(reading: Reading, point: Point) -> Body:
    """Return a reading as proof: its time, its value in the account's unit, and for counters the raw number."""
    evidence: Body = {"time": rfc3339(reading.time_ns), "value": reading.value}
    if reading.registers:
        raw = raw_number(point.type, reading.registers, point.word_order, point.byte_order)
        # Larger integers have no canonical form (RFC 8785, 3.2.2.3), hence no hash; the registers stay exact.
        evidence |= {"raw": raw if abs(raw) <= _LARGEST_INTEGER else float(raw), "registers": reading.registers.hex()}
    return evidence


def interval(site: str, account: Account, point: Point, closed: ClosedInterval, weight: Conversion | None) -> Body:
    """Return the record of account of one interval, still without its place in the chain."""
    amount = closed.quanta / QUANTA_PER_UNIT
    length_s = (closed.end_ns - closed.start_ns) / 1e9
    covered = min(1.0, _rounded(closed.measured_s / length_s))
    estimated = _share(closed.estimated_quanta, closed.quanta)
    evidence: Body = {"rules": list(closed.rules)}
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
    body: Body = {
        "schema": "energy-agent/interval/1",
        "site": site,
        "area": account.area,
        "device": account.device,
        "account": account.name,
        "start": rfc3339(closed.start_ns),
        "end": rfc3339(closed.end_ns),
        "revision": closed.revision,
        "amount": amount,
        "unit": account.unit,
        **_weighed(amount, weight),
        **_co2(weight, amount * location, amount * market),
        **_mark(weight),
        "coverage": covered,
        "estimated": estimated,
        "quality": interval_quality(covered, estimated),
        "evidence": evidence,
    }
    if closed.reason:
        body["reason"] = closed.reason
    if weight is not None:
        body["factor"] = factor(weight.factor)
        if weight.market_factor is not None:
            body["market_factor"] = factor(weight.market_factor)
    return body


def interval_quality(covered: float, estimated: float) -> str:
    """Return the quality of an interval from its coverage and its estimated share (both 0 to 1)."""
    if covered >= _COMPLETE and not estimated:
        return "good"
    if estimated:
        return "uncertain:estimated"
    return "uncertain:incomplete" if covered else "bad:comm_lost"


def factor(used: Factor) -> Body:
    """Return which factor was used, its number, and what must be known to trust it."""
    body: Body = {
        "set": used.set,
        "id": used.id,
        "version": used.version,
        "value": used.value,
        "unit": used.unit,
        "confidence": used.confidence,
    }
    if used.note:
        body["note"] = used.note
    return body


def meta(
    site: str,
    area: str,
    device: str,
    profile: Profile,
    accounts: Mapping[str, Conversion | None],
    units: Mapping[str, str],
    digest: str,
) -> Body:
    """Return what a subscriber must know to read a device's messages."""
    return {
        "schema": "energy-agent/meta/1",
        "site": site,
        "area": area,
        "device": device,
        "kind": profile.kind,
        "model": profile.model,
        "profile": profile.name,
        "profile_digest": profile.digest,
        "quantities": {
            point.quantity.key: {
                "quantity": point.name,
                "unit": point.quantity.unit.symbol,
                "kind": point.quantity.kind,
                "label": point.quantity.label,
                "label_zh": point.quantity.label_zh,
            }
            for point in profile.points
            if point.quantity is not None
        },
        "accounts": {
            name: {
                "unit": units[name],
                **({"carrier": weight.carrier, "factor": factor(weight.factor)} if weight else {}),
            }
            for name, weight in accounts.items()
        },
        "configuration": digest,
    }
