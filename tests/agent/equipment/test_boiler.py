"""Efficiency of boilers, held against calculations by hand and one by others."""

import pytest

from agent.carbon.errors import CarbonError
from agent.carbon.steam import latent_heat_kj_kg, steam_enthalpy_kj_kg
from agent.equipment.boiler import Losses, Steam, direct_efficiency_percent, excess_air, useful_kwh
from agent.equipment.consumption import per_unit_kg
from agent.equipment.errors import NoFigureError

GAS_KWH_PER_NM3 = 38.931 / 3.6


def test_direct_efficiency_of_wet_steam_by_hand() -> None:
    # Steam tables at 1.0 MPa absolute: h'' 2777.1, r 2014.4; water of 105 °C 440.9 kJ/kg.
    # 2777.1 - 0.02 * 2014.4 - 440.9 = 2295.9 kJ/kg; 1 t of it 2295.9 MJ; 72 Nm3 of 38.931 MJ 2803.0 MJ; 81.9 %.
    steam = Steam(1.0, 105.0, moisture_percent=2.0)

    assert steam.heat_kj_kg() == pytest.approx(2295.9, abs=0.2)
    efficiency = direct_efficiency_percent(useful_kwh(1.0, steam.heat_kj_kg()), 72 * GAS_KWH_PER_NM3)
    assert efficiency == pytest.approx(2295.9 / 2803.0 * 100, abs=0.02)


def test_superheated_steam_by_the_steam_tables() -> None:
    # Steam tables at 3.0 MPa absolute and 400 °C: 3231.6 kJ/kg; water of 105 °C 442.3 kJ/kg.
    assert Steam(3.0, 105.0, 400.0).heat_kj_kg() == pytest.approx(3231.6 - 442.3, abs=0.5)


def test_direct_efficiency_is_that_of_a_published_calculator() -> None:
    # ORNL MEASUR (AMO-Tools-Suite, tests/Boiler.unit.cpp): 45 t of steam of 110.7534 GJ from feed water of 10 MPa,
    # boiling (64.6470 GJ for 45.918 t), with 2 % blow-down (1.67795 GJ), take 56.2169 GJ of fuel at 85 %.
    # MEASUR counts the heat of the blow-down as useful too, this module does not.
    feed_kj_kg = 64.6469770669e6 / 45918.3673469
    useful = useful_kwh(45.0, 110.7533647509e6 / 45000 - feed_kj_kg)
    blow_down = useful_kwh(0.9183673469, 1.6779495529e6 / 918.3673469 - feed_kj_kg)

    fuel = 56.2168673374 / 0.0036
    assert direct_efficiency_percent(useful + blow_down, fuel) == pytest.approx(85.0, abs=1e-6)
    assert direct_efficiency_percent(useful, fuel) == pytest.approx(85.0 - 0.385 / 56.2169 * 100, abs=0.001)
    # Their boiling feed water has the enthalpy of ours: that of dry steam less the latent heat.
    assert steam_enthalpy_kj_kg(10.0) - latent_heat_kj_kg(10.0) == pytest.approx(feed_kj_kg, abs=1e-4)


def test_indirect_efficiency_of_a_gas_boiler_by_hand() -> None:
    # 21 / (21 - 3.5) = 1.2; (0.5 + 3.45 * 1.2) * (150 - 20) / 100 = 6.032; 100 - 6.032 - 0.1 - 1.7 = 92.168 %.
    losses = Losses(m=0.5, n=3.45, q3=0.1, q4=0.0, q5=1.7, q6=0.0)
    q2 = losses.flue_gas_percent(oxygen_percent=3.5, flue_gas_degc=150.0, cold_air_degc=20.0)

    assert q2 == pytest.approx(6.032)
    assert losses.efficiency_percent(q2) == pytest.approx(92.168)


def test_unburnt_coal_leaves_less_to_the_flue_gas_by_hand() -> None:
    # 21 / (21 - 9) = 1.75; (0.4 + 3.55 * 1.75) * 150 / 100 * (1 - 8 / 100) = 9.12525 %.
    # 100 - (9.12525 + 0.5 + 8 + 1.7 + 0.6) = 80.07475 %.
    losses = Losses(m=0.4, n=3.55, q3=0.5, q4=8.0, q5=1.7, q6=0.6)
    q2 = losses.flue_gas_percent(oxygen_percent=9.0, flue_gas_degc=170.0, cold_air_degc=20.0)

    assert q2 == pytest.approx(9.12525)
    assert losses.efficiency_percent(q2) == pytest.approx(80.07475)


def test_a_condensing_boiler_may_exceed_100_percent_of_the_net_calorific_value() -> None:
    assert direct_efficiency_percent(103.0, 100.0) == 103.0


def test_steam_per_fuel_by_hand() -> None:
    assert per_unit_kg(steam_t=1.0, fuel=72.0) == pytest.approx(13.8889, abs=1e-4)


def test_what_gives_no_efficiency_is_said() -> None:
    with pytest.raises(NoFigureError, match="no fuel was used"):
        direct_efficiency_percent(10.0, 0.0)
    with pytest.raises(NoFigureError, match="no fuel was used"):
        per_unit_kg(1.0, 0.0)
    with pytest.raises(NoFigureError, match="comes from no fire"):
        excess_air(21.0)
    with pytest.raises(CarbonError, match="not superheated"):
        Steam(1.0, 105.0, 150.0).heat_kj_kg()
    with pytest.raises(CarbonError, match="boils at"):
        Steam(0.101325, 120.0).heat_kj_kg()
