"""The plant: areas, devices, and what is accounted for at each.

In: the tables of a site's devices, accounts, outputs and intensities (`agent.sections`), and the profiles of its
devices. Out: a `Plant` with an `Account` for all that is counted, each with its area, carrier and direction and with
where the pressure and temperature come from that it is weighed by (`agent.plant.condition`); or a `PlantError`.
"""

from agent.plant.plant import (
    Account,
    Intensity,
    Plant,
    PlantError,
    accounts_of,
    added_account,
    build_plant,
    integral_of,
    output,
)

__all__ = [
    "Account",
    "Intensity",
    "Plant",
    "PlantError",
    "accounts_of",
    "added_account",
    "build_plant",
    "integral_of",
    "output",
]
