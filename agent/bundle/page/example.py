"""The section that works one interval out by hand: its readings, its amount, and what that weighs."""

from collections.abc import Iterator

from agent.bundle.page.html import pairs, paragraph, text
from agent.bundle.page.view import Body, View, number_of
from agent.carbon.factor_set import COUNTED_UNITS
from agent.metering.amount import QUANTA_PER_UNIT, millionths
from agent.record import time_ns

_KG = {"kgCO2": 1, "tCO2": 1000}
"""Kilograms by what units of factors count."""


def recompute(view: View) -> str:
    """Return one interval worked out by hand."""
    words, body = view.words, view.summary.get("example")
    page = view.heading("recompute")
    if body is None:
        return page + paragraph(text(words("recompute.none")))
    where = {key: view.local(body[key]) for key in ("start", "end")}
    record = words("recompute.record.value", account=body["account"], seq=body["seq"], **where)
    items = [(words("recompute.record"), text(record)), *_ends(view, body)]
    start, end = (_counter(body, name) for name in ("start", "end"))
    unit, amount = body["unit"], body["amount"]
    told = words("recompute.recorded", amount=f"{amount:.6f}", unit=unit)
    items.append((words("recompute.amount"), f"{_millionths(end - start)} {text(unit)} ({text(told)})"))
    items += [*_weighed(view, body)]
    return page + paragraph(text(words("recompute.text"))) + pairs(items)


def _weighed(view: View, body: Body) -> Iterator[tuple[str, str]]:
    """Yield what the amount weighs, as energy, standard coal and CO2, with the arithmetic where it is a product."""
    words, amount, unit = view.words, body["amount"], body["unit"]
    if "energy_kwh" in body:
        yield words("recompute.kwh"), text(words("recompute.recorded", amount=f"{body['energy_kwh']:.6f}", unit="kWh"))
    for each in view.summary["coal"]:
        if body["account"] in each["accounts"] and "kgce" in body:
            yield (
                words("recompute.kgce", section=number_of("factors")),
                text(_product(view, body, each["kgce"], "kgce", body["kgce"])),
            )
    factor, kg = body["factor"], kg_per_unit(body["factor"], unit)
    told = f"{factor.get('value', 0):.10g} {factor.get('unit', '')} ({factor['set']}, {factor['id']})"
    yield words("recompute.factor"), text(f"{told}{f' = {kg:.10g} kg/{unit}' if kg is not None else ''}")
    if kg is not None:
        yield words("recompute.co2"), text(_product(view, body, kg, "kg", body["co2_kg"]))
    else:
        each = f"{body['co2_kg'] / amount:.7g}"
        told = words("recompute.co2.value", amount=f"{amount:.6f}", unit=unit, co2=f"{body['co2_kg']:.6f}", each=each)
        yield words("recompute.co2"), text(told)


def _product(view: View, body: Body, weight: float, of: str, recorded: float) -> str:
    made = (
        f"{body['amount']:.6f} {body['unit']} × {weight:.10g} {of}/{body['unit']} = {body['amount'] * weight:.6f} {of}"  # noqa: RUF001 -- a sign of multiplication
    )
    return f"{made} ({view.words('recompute.recorded', amount=f'{recorded:.6f}', unit=of)})"


def kg_per_unit(factor: Body, unit: str) -> float | None:
    """Return how many kg CO2 a factor gives one unit, None where more than its own unit stands between the two."""
    mass, _, per = str(factor.get("unit", "")).partition("/")
    parts = (
        1
        if per == unit
        else next((count for name, (count, one) in COUNTED_UNITS.items() if (name, one) == (per, unit)), 0)
    )
    kg = _KG.get(mass)
    return factor["value"] * kg / parts if parts and kg and "value" in factor else None


def _ends(view: View, body: Body) -> Iterator[tuple[str, str]]:
    words = view.words
    for what, names in (("start", ("open", "open_next")), ("end", ("close", "close_next"))):
        named = words(f"recompute.{what}")
        for key, name in zip(("before", "after"), names, strict=True):
            reading = body["evidence"][name]
            shown = {
                "value": _millionths(millionths(reading["value"])),
                "registers": reading["registers"],
                "unit": body["unit"],
            }
            told = words("recompute.reading", time=view.local(reading["time"]), **shown)
            yield words(f"recompute.{key}", what=named), text(told)
        yield words("recompute.at", what=named), f"{_millionths(_counter(body, what))} {text(body['unit'])}"


def _counter(body: Body, what: str) -> int:
    """Return the counter at the start or end of an interval in millionths, by the rule that the record goes by.

    Where an interval is cut, see `agent.metering.interval`: the line between the readings around it, cut downwards.
    """
    names = ("open", "open_next") if what == "start" else ("close", "close_next")
    before, after = (body["evidence"][name] for name in names)
    since_ns, at_ns, until_ns = (time_ns(each) for each in (before["time"], body[what], after["time"]))
    low, high = millionths(before["value"]), millionths(after["value"])
    return low + (high - low) * (at_ns - since_ns) // max(1, until_ns - since_ns)


def _millionths(amount: int) -> str:
    return f"{amount / QUANTA_PER_UNIT:.6f}"
