"""Power factor, load factor and unbalance of three phases."""

import math
from collections.abc import Sequence

from agent.equipment.errors import NoFigureError

POWER_FACTOR_NORM = "(83)水电财字第215号"
UNBALANCE_NORM = "GB/T 15543-2008"
PHASE_NORM = "IEEE Std 112"
LOAD_FACTOR_NORM = "definition: mean by highest 15-minute demand"


def apparent_kva(active_kw: float, reactive_kvar: float) -> float:
    """Return the apparent power [kVA]."""
    return math.hypot(active_kw, reactive_kvar)


def power_factor(active_kw: float, apparent_kva: float) -> float:
    """Return active by apparent power, 0 to 1, whatever its direction; raise NoFigureError without load."""
    if apparent_kva <= 0:
        raise NoFigureError("there is no load")
    return min(1.0, abs(active_kw) / apparent_kva)


def load_factor(mean_kw: float, highest_kw: float) -> float:
    """Return the mean by the highest demand of a span; raise NoFigureError without any."""
    if highest_kw <= 0:
        raise NoFigureError("there is no load")
    return mean_kw / highest_kw


def negative_sequence_percent(line_voltages: Sequence[float]) -> float:
    """Return the negative by the positive sequence [%] from three line voltages (GB/T 15543-2008, unverified).

    With ``L = sum(U⁴) / sum(U²)²`` it is ``sqrt((1 - sqrt(3 - 6 L)) / (1 + sqrt(3 - 6 L)))``. Raises NoFigureError for
    voltages that form no triangle.
    """
    squares = [voltage**2 for voltage in line_voltages]
    total = sum(squares)
    if total <= 0:
        raise NoFigureError("there is no voltage")
    inner = 3 - 6 * sum(square**2 for square in squares) / total**2
    if inner < 0:
        raise NoFigureError("the line voltages form no triangle")
    root = min(1.0, math.sqrt(inner))
    return math.sqrt((1 - root) / (1 + root)) * 100


def deviation_percent(phases: Sequence[float]) -> float:
    """Return the largest deviation of a phase from the mean by that mean [%]; raise NoFigureError where that is 0."""
    mean = sum(phases) / len(phases)
    if mean <= 0:
        raise NoFigureError("there is no load")
    return max(abs(phase - mean) for phase in phases) / mean * 100
