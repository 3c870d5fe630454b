"""What a plant measured of its fuel, in place of the figures of a set, with the evidence for it."""

import hashlib
from dataclasses import replace
from datetime import date

from agent.carbon.factor_set import Density, Row
from agent.carbon.factors import Factor
from drivers.value import frozen

SET = "measured"
"""Name in place of a factor set's: figures from the plant's own configuration."""


@frozen
class Measured:
    """An analysis: what it gave, None for what it did not; since when it holds, who made it, and the document.

    `ncv_gj` is the net calorific value [GJ per `ncv_unit`], `carbon_content` [tC/GJ], `oxidation` above 0 up to 1.
    """

    ncv_gj: float | None
    ncv_unit: str
    carbon_content: float | None
    oxidation: float | None
    density: Density | None
    since: date
    until: date | None
    by: str
    document: str
    co2_t_per_gj: float | None = None
    """Of purchased heat, in place of everything else: CO2 of the supplier [tCO2/GJ]."""

    @property
    def complete(self) -> bool:
        """Whether it needs no published figures at all."""
        return None not in (self.ncv_gj, self.carbon_content, self.oxidation)

    def alone(self, carrier: str) -> Row:
        """Return the row of a fuel that no set has; only of a complete analysis."""
        blank = Row(
            set=SET, id=carrier, role="fuel", en=carrier, zh=carrier, unit=self.ncv_unit, ncv=None, ncv_unit="",
            carbon_content=None, oxidation=None, co2_t=None, ch4=None, n2o=None, kgce=None, kgce_range=None,
            kgce_source="", density=None, source=self.document, confidence="measured", note="",
        )  # fmt: skip
        return self.over(blank)

    def over(self, row: Row) -> Row:
        """Return a fuel's row with the measured figures in place of the published ones.

        A measured calorific value of another unit than the row's takes its unit with it: then a printed coefficient
        and a published calorific value per other units are given up.
        """
        changed = row
        if self.ncv_gj is not None:
            same = self.ncv_unit == row.unit
            changed = replace(
                changed,
                ncv=self.ncv_gj,
                ncv_unit=f"GJ/{self.ncv_unit}",
                unit=self.ncv_unit,
                kgce=row.kgce if same else None,
                kgce_range=row.kgce_range if same else None,
            )
        if self.carbon_content is not None:
            changed = replace(changed, carbon_content=self.carbon_content)
        changed = replace(changed, oxidation=self.oxidation or row.oxidation)
        if changed.carbon_content is not None or self.ncv_gj is not None:
            changed = replace(changed, co2_t=None)
        return replace(changed, density=self.density or row.density)

    def factor(self, published: Factor, value: float, unit: str) -> Factor:
        """Return the CO2 factor that follows, in place of a published one whose remaining figures it uses."""
        parts = {
            "calorific value": self.ncv_gj,
            "carbon content": self.carbon_content,
            "oxidation": self.oxidation,
            "density": self.density,
            "CO2": self.co2_t_per_gj,
        }
        given = [name for name, figure in parts.items() if figure is not None]
        needed = () if self.co2_t_per_gj is not None else ("calorific value", "carbon content", "oxidation")
        left = [name for name in needed if parts[name] is None]
        note = f"{', '.join(given)} measured by {self.by}: {self.document}, from {self.since}"
        note += f" to {self.until}" if self.until else ""
        if left:
            note += f"; {', '.join(left)} of {published.set}"
            note += f" ({published.note})" if published.note else ""
        digest = hashlib.sha256(repr((self, published.version)).encode()).hexdigest()
        return Factor(
            set=SET,
            id=published.id,
            value=value,
            unit=unit,
            source=self.document,
            confidence=f"measured; {published.confidence}" if left else "measured",
            version=f"sha256:{digest[:16]}",
            valid_from=self.since,
            valid_to=self.until,
            note=note,
        )
