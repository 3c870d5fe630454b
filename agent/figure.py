"""Figures: what is worked out from accounts and readings, such as an efficiency, a load or a demand.

A figure that cannot be worked out has no value and says what is missing; nothing is guessed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Protocol

from agent.record import rfc3339
from drivers.value import frozen, travelling

NOW = "now"
"""Span of a figure that comes from the latest readings alone."""


@travelling
@frozen
class Figure:
    """One figure of one place at one time.

    `place` is "area/device", an area, or "agent" for the site; `span` is what it covers ("15min", "day"; `NOW` for
    momentary ones); `unit` is a symbol of `drivers.unit` or a quotient of two ("kWh/t"), empty for a pure number;
    `value` is None when something is `missing`. `inputs` are what it was worked out from, keys with their unit.
    `norm` cites the source of the formula. `coverage` (0 to 1) and `estimated` (share, 0 to 1) are the worst of the
    inputs', and `unverified` says that a factor among them was not checked against its source.
    """

    name: str
    place: str
    span: str
    time_ns: int
    unit: str
    value: float | None
    norm: str = ""
    inputs: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    coverage: float = 1.0
    estimated: float = 0.0
    unverified: bool = False

    def body(self, site: str) -> dict[str, Any]:
        """Return the figure as subscribers see it; what it has not is an absent key."""
        body: dict[str, Any] = {"schema": "energy-agent/figure/1", "site": site}
        area, _, device = self.place.partition("/")
        if device:
            body |= {"area": area, "device": device}
        elif self.place != "agent":
            body["area"] = area
        body |= {"figure": self.name, "span": self.span, "time": rfc3339(self.time_ns)}
        if self.value is not None:
            body["value"] = self.value
        body["unit"] = self.unit
        body |= {key: value for key, value in (("norm", self.norm), ("inputs", dict(self.inputs))) if value}
        if self.missing:
            body["missing"] = list(self.missing)
        body |= {"coverage": self.coverage, "estimated": self.estimated}
        if self.unverified:
            body["unverified"] = True
        return body


class FigureSource(Protocol):
    """Works out figures whenever windows are published."""

    def figures(self, time_ns: int) -> Iterable[Figure]:
        """Return the figures of this moment (wall clock, ns)."""
        ...
