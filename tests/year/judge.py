"""Whether the agent's books are those of the simulator, within what its meters can show."""

from tests.year.works import GRID_KG_PER_KWH, Sums

_GRID = "main-meter/electricity"
_COUNTS = 2
"""Each reading is cut to a count, at both ends; a replaced meter has two ends more."""


def problems(sums: Sums) -> list[str]:
    """Return in what the books differ by more than the resolution of the meters."""
    found = []
    for name, true in sums.true.items():
        booked = sums.amounts[name] / 1e6
        ends = _COUNTS * (2 if name == _GRID else 1)
        if abs(booked - true) > ends * sums.resolution[name]:
            found.append(f"{name}: the intervals add up to {booked:.6f}, the simulator says {true:.6f}")
    co2 = sums.co2[_GRID] / 1e6
    # With the New Year one reading more is cut; each record is rounded to a millionth of a kilogram.
    allowed = 3 * _COUNTS * sums.resolution[_GRID] * max(GRID_KG_PER_KWH.values()) + sums.intervals * 0.5e-6
    if abs(co2 - sums.true_co2_kg) > allowed:
        both = f"the intervals add up to {co2:.6f} kg, the simulator's books to {sums.true_co2_kg:.6f}"
        found.append(f"CO2 of the grid: {both}")
    return found
