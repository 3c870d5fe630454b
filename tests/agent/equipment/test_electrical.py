"""Power factor, load factor and unbalance, by examples of others and by phasors."""

import cmath
import math

import pytest

from agent.equipment.electrical import (
    apparent_kva,
    deviation_percent,
    load_factor,
    negative_sequence_percent,
    power_factor,
)
from agent.equipment.errors import NoFigureError


def test_power_factor_is_that_of_a_published_calculator() -> None:
    # ORNL MEASUR (AMO-Tools-Suite, tests/cpp/PowerFactor.unit.cpp): 87 kW and 49.3052 kvar are 100 kVA, 0.87.
    assert apparent_kva(87.0, 49.3052) == pytest.approx(100.0, abs=1e-4)
    assert power_factor(87.0, apparent_kva(87.0, 49.3052)) == pytest.approx(0.87, abs=1e-6)


def test_exported_power_has_a_power_factor_too() -> None:
    assert power_factor(-87.0, 100.0) == pytest.approx(0.87)
    assert power_factor(100.2, 100.0) == 1.0


def test_load_factor_by_hand() -> None:
    # (10 * 60 + 30 * 30 + 10 * 30) / 120 = 15 kW of at most 30 kW.
    assert load_factor(15.0, 30.0) == 0.5


@pytest.mark.parametrize(
    ("phases", "published"),
    [
        ((203, 210, 212), 2.5),  # SymCom 201-575-AU, specifications, page 5; they round on the way
        ((462, 463, 455), 1.1),  # NEMA MG 1's example as quoted by eng-tips.com, thread 481112
        ((243, 236, 238), 1.7),  # Carrier 30MPA, installation instructions, page 39
    ],
)
def test_deviation_of_phases_is_that_of_published_examples(phases: tuple[float, ...], published: float) -> None:
    assert deviation_percent(phases) == pytest.approx(published, abs=0.07)


@pytest.mark.parametrize("share", [0.0, 0.005, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("angle", [0.0, 0.7, 2.1, 4.0])
def test_three_line_voltages_give_the_negative_sequence_they_were_made_of(share: float, angle: float) -> None:
    turn = cmath.exp(2j * math.pi / 3)
    negative = share * cmath.exp(1j * angle)
    voltages = [400 * abs(turn ** (3 - phase) + negative * turn**phase) for phase in range(3)]

    assert negative_sequence_percent(voltages) == pytest.approx(share * 100, abs=1e-4)


def test_what_has_no_load_or_is_no_triangle_gives_no_figure() -> None:
    with pytest.raises(NoFigureError, match="no load"):
        power_factor(0.0, 0.0)
    with pytest.raises(NoFigureError, match="no load"):
        load_factor(0.0, 0.0)
    with pytest.raises(NoFigureError, match="no load"):
        deviation_percent((0.0, 0.0, 0.0))
    with pytest.raises(NoFigureError, match="no voltage"):
        negative_sequence_percent((0.0, 0.0, 0.0))
    with pytest.raises(NoFigureError, match="no triangle"):
        negative_sequence_percent((400.0, 100.0, 100.0))
