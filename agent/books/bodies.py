"""What records say: pure functions from figures to the JSON objects of the contract.

Keys carry their unit; a value that is missing is an absent key; numbers are finite. Derived figures are rounded
to six decimals, the resolution in which amounts are booked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.books.columns import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED, MEASURED_S
from agent.books.ledger import WindowFigures
from agent.carbon.emission import Conversion
from agent.carbon.factors import Factor
from agent.plant import Account
from agent.record import rfc3339
from drivers.frame import Frame
from drivers.profile import Profile
from drivers.quantity import Kind
from drivers.reading import LABELS, Quality

Body = dict[str, Any]
Values = Sequence[float] | npt.NDArray[np.float64]
"""The figures of one account by the kinds of `agent.books.columns`."""

_COMPLETE = 0.95
"""Share of an interval that must be measured for it to be called good."""
_COMM_LOST, _NOT_READ = int(Quality.COMM_LOST), int(Quality.NOT_READ)
_UNSYNCED = Quality.CLOCK_UNSYNCED.label
_HOUR_S = 3600.0
_DECIMALS = 6


def rounded(value: float) -> float:
    """Return a derived figure as records show it."""
    return round(float(value), _DECIMALS)


class TelemetryKeys:
    """The JSON keys of a profile's published points, worked out once."""

    def __init__(self, profile: Profile) -> None:
        self.points = [
            (index, point.quantity.key)
            for index, point in enumerate(profile.points)
            if point.quantity is not None and point.quantity.kind is not Kind.TEXT
        ]


def telemetry_keys(profiles: Mapping[str, Profile]) -> dict[str, TelemetryKeys]:
    """Return the keys of each device, the same object for all that have the same profile."""
    known = {id(profile): TelemetryKeys(profile) for profile in {id(each): each for each in profiles.values()}.values()}
    return {name: known[id(profile)] for name, profile in profiles.items()}


def telemetry(site: str, area: str, frame: Frame, keys: TelemetryKeys) -> Body:
    """Return the record of one frame: its values, and the quality of what is not good."""
    values: dict[str, float] = {}
    quality: dict[str, str] = {}
    measured, codes = frame.values.tolist(), frame.quality.tobytes()
    for index, key in keys.points:
        code = codes[index]
        if code < _COMM_LOST:
            values[key] = measured[index]
        if code and code != _NOT_READ:
            quality[key] = LABELS[code]
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
    body: Body = {
        "energy_kwh": rounded(amount * weight.kwh_per_unit),
        "kgce": rounded(amount * weight.kgce_per_unit),
    }
    if weight.kgce_equivalent_per_unit is not None:
        body["kgce_equivalent"] = rounded(amount * weight.kgce_equivalent_per_unit)
    return body


def _co2(weight: Conversion | None, location: float, market: float) -> Body:
    if weight is None or weight.co2_kg_per_unit is None:
        return {}
    body: Body = {"scope": weight.scope, "co2_kg": rounded(location)}
    if weight.co2_market_kg_per_unit is not None:
        body |= {"co2_location_kg": rounded(location), "co2_market_kg": rounded(market)}
    return body


def _gases(amount: float, weight: Conversion | None) -> Body:
    """Return CH4 and N2O, and all gases together, where the factor set has them."""
    if weight is None or weight.ch4_kg_per_unit is None or weight.n2o_kg_per_unit is None:
        return {}
    return {
        "ch4_kg": rounded(amount * weight.ch4_kg_per_unit),
        "n2o_kg": rounded(amount * weight.n2o_kg_per_unit),
        "co2e_kg": rounded(amount * (weight.co2e_kg_per_unit or 0.0)),
        "gwp": weight.gwp,
    }


def _mark(weight: Conversion | None) -> Body:
    """Return the mark that every figure carries which rests on an unverified factor."""
    return {"unverified": True} if weight is not None and weight.unverified else {}


def weighed(amount: float, weight: Conversion | None, *, location: float, market: float) -> Body:
    """Return what an amount [account unit] and its CO2 [kg] come to; nothing for an output."""
    return {**_weighed(amount, weight), **_co2(weight, location, market), **_gases(amount, weight), **_mark(weight)}


def account_window(
    site: str, account: Account, figures: WindowFigures, column: int, weight: Conversion | None, time_ns: int
) -> Body:
    """Return the rolling figures of one account over one span."""
    values = figures.values[:, column].tolist()
    amount = values[AMOUNT]
    body: Body = {
        "schema": "energy-agent/window/1",
        "site": site,
        "area": account.area,
        "device": account.device,
        "account": account.name,
        "span": figures.span,
        "time": rfc3339(time_ns),
        "amount": rounded(amount),
        "unit": account.unit,
        **weighed(amount, weight, location=values[CO2_KG], market=values[CO2_MARKET_KG]),
        "coverage": (covered := coverage(values, figures)),
        "estimated": (estimated := _estimated(values)),
        **_window_quality(covered, estimated, figures.doubts.get(column, "")),
    }
    if weight is not None and weight.physical_kwh_per_unit and figures.elapsed_s > 0:
        body["mean_power_kw"] = rounded(amount * weight.physical_kwh_per_unit / figures.elapsed_s * _HOUR_S)
    return body


def coverage(values: Values, figures: WindowFigures) -> float:
    """Return the share of the whole span that was measured, 0 to 1."""
    return min(1.0, rounded(float(values[MEASURED_S]) / figures.span_s))


def _estimated(values: Values) -> float:
    return share(float(values[ESTIMATED]), float(values[AMOUNT]))


def share(part: float, whole: float) -> float:
    """Return a part as share of the whole, 0 to 1."""
    return rounded(min(1.0, abs(part / whole))) if whole else 0.0


def _window_quality(covered: float, estimated: float, *doubts: str) -> Body:
    quality = interval_quality(covered, estimated, *doubts)
    return {} if quality == "good" else {"quality": quality}


def interval_quality(covered: float, estimated: float, *doubts: str) -> str:
    """Return the quality of an interval from its coverage, its estimated share (both 0 to 1) and its readings' doubts.

    Of several doubts the first in the alphabet is named, and that of the clock last, for times are in doubt then and
    no amount; the readings of the evidence carry their own. Doubts that are `bad` say why nothing was read.
    """
    bad = sorted(doubt for doubt in doubts if doubt.startswith("bad:"))
    uncertain = {*doubts} - {*bad, ""}
    if doubt := min(uncertain - {_UNSYNCED}, default=""):
        return doubt
    if estimated:
        return "uncertain:estimated"
    if covered < _COMPLETE:
        return "uncertain:incomplete" if covered else bad[0] if bad else Quality.COMM_LOST.label
    return _UNSYNCED if uncertain else "good"


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
