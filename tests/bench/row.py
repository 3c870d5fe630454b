"""One figure of the benchmarks."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, beside it the ceiling of the same run and what that is, and what the figure is meant to be."""

    name: str
    value: float
    unit: str = ""
    ceiling: float | None = None
    beside: str = ""
    target: float | None = None

    @property
    def ratio(self) -> float | None:
        """The figure as so many times its ceiling."""
        return self.value / self.ceiling if self.ceiling else None

    def to_json(self) -> dict[str, Any]:
        """Return what is known of it."""
        known = {key: value for key, value in asdict(self).items() if value not in (None, "")}
        if math.isnan(self.value):
            known["value"] = None  # nothing came that could be measured; JSON has no NaN
        return known if self.ratio is None else known | {"ratio": self.ratio}
