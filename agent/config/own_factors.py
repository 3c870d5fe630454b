"""The plant's own factors: what it measured of its fuels, and the factor files beside its configuration."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from agent.carbon.measured import Measured
from agent.sections import FuelSection


def measured(fuels: Sequence[FuelSection], account: str, carrier: str, day: date) -> Measured | None:
    """Return what was measured last of an account's fuel by a day, None when nothing was.

    An analysis that names accounts comes before one for all accounts of a carrier.
    """
    found = [
        each
        for each in fuels
        if each.carrier == carrier and each.applies(day) and account in (each.accounts or (account,))
    ]
    if not found:
        return None
    chosen = max(found, key=lambda each: (bool(each.accounts), each.since))
    return Measured(
        ncv_gj=chosen.ncv.mj / 1000 if chosen.ncv else None,
        ncv_unit=chosen.ncv.unit if chosen.ncv else "",
        carbon_content=chosen.carbon_content,
        oxidation=chosen.oxidation,
        density=chosen.density,
        co2_t_per_gj=chosen.co2_per_gj,
        since=chosen.since,
        until=chosen.to,
        by=chosen.by,
        document=chosen.document,
    )


def own_factor_files(folder: Path, given: str | None) -> list[Path]:
    """Return the factor files of a plant: all in the folder it names, or in `factors` beside its configuration."""
    return sorted((folder / (given or "factors")).glob("*.toml"))
