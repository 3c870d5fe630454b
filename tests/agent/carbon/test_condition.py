"""What a tonne of steam, a cubic metre of hot water or of gas is worth in its state."""

from collections.abc import Callable

import pytest

from agent.carbon.condition import (
    State,
    hot_water_gj_per_t,
    normal_m3_per_m3,
    steam_gj_per_t,
    water_t_per_m3,
)
from agent.carbon.errors import CarbonError
from agent.carbon.steam import SteamReference

NONE, FEED_20, MEASURED = SteamReference.NONE, SteamReference.FEED_WATER, SteamReference.MEASURED


def test_gas_meets_the_state_number_that_a_public_utility_prints() -> None:
    # Stadtwerke Uelzen, notes on the gas bill by DVGW 685: 288.15 K, 1010.12 mbar and 22 mbar above it, K = 1: 0.9655
    #   (1010.12 + 22) / 1013.25 x 273.15 / 288.15 = 0.965 596
    assert normal_m3_per_m3(State(101.012 + 2.2, 15.0)) == pytest.approx(0.9655, abs=1e-4)


def test_gas_under_pressure_is_more_than_its_volume() -> None:
    # 300 kPa above 101.325 kPa at 20 °C: 401.325 / 101.325 x 273.15 / 293.15 = 3.690 548; with K = 0.99, / 0.99
    assert normal_m3_per_m3(State(401.325, 20.0)) == pytest.approx(3.690548, abs=1e-6)
    assert normal_m3_per_m3(State(401.325, 20.0), 0.99) == pytest.approx(3.690548 / 0.99, abs=1e-6)


def test_one_normal_cubic_metre_is_itself() -> None:
    assert normal_m3_per_m3(State(101.325, 0.0)) == 1.0


def test_steam_heat_meets_a_makers_table_of_power_per_pound() -> None:
    # CAPP/USA, engineering library, "Properties of Steam": 75 psig from feed water of 50 °F takes 0.3417 kW per lb/h.
    #   75 psig = 517.1 kPa above 101.3 kPa; 50 °F = 10 °C; 1 lb = 0.453 592 37 kg
    heat = steam_gj_per_t(State(517.107 + 101.325, None, 10.0), MEASURED)

    kwh_per_lb = heat * 1e6 / 1000 * 0.45359237 / 3600
    assert kwh_per_lb == pytest.approx(0.3417, rel=0.002)
    assert 450 * kwh_per_lb == pytest.approx(450 * 0.3417, rel=0.002)  # its example: 450 lb/h, 153.8 kW


def test_each_reference_takes_off_its_own_enthalpy() -> None:
    # Saturated steam of 1 MPa: 2777.1 kJ/kg (IF97). Feed water of 104 °C at 1 MPa: 436.6 kJ/kg.
    state = State(1000.0, None, 104.0)

    assert steam_gj_per_t(state, NONE) == pytest.approx(2.7771, abs=5e-5)
    assert steam_gj_per_t(state, FEED_20) == pytest.approx(2.7771 - 0.08374, abs=5e-5)
    assert steam_gj_per_t(state, MEASURED) == pytest.approx(2.7771 - 0.4366, abs=1e-4)


def test_superheated_steam_counts_by_its_temperature() -> None:
    # 400 °C at 0.5 MPa: 3272.3 kJ/kg (IF97)
    assert steam_gj_per_t(State(500.0, 400.0), NONE) == pytest.approx(3.2723, abs=1e-4)


@pytest.mark.parametrize("too_cold_k", [0.0, 1.0, 4.9])
def test_saturated_steam_that_reads_a_little_too_cold_stays_steam(too_cold_k: float) -> None:
    assert steam_gj_per_t(State(1000.0, 179.886 - too_cold_k), NONE) == pytest.approx(2.7771, abs=5e-5)


def test_water_in_place_of_steam_is_no_steam() -> None:
    with pytest.raises(CarbonError, match="is not superheated"):
        steam_gj_per_t(State(1000.0, 120.0), NONE)


def test_hot_water_meets_a_published_calculation() -> None:
    # calculator5.snowdaycalculatornow.com, "energy metering flow calculated": 12 m3/h from 70 to 55 °C for 10 h, with
    # 1.163 kWh/m3K: 2093.4 kWh. It takes water for 1 kg/L; at 55 °C it is 0.9864 kg/L, 1.4 % less.
    state = State(None, 70.0, 55.0)
    kwh = 120 * water_t_per_m3(state, in_return=True) * hot_water_gj_per_t(state, NONE) / 0.0036

    assert kwh == pytest.approx(2093.4 * 0.9864, rel=0.002)


def test_hot_water_without_return_counts_above_the_reference() -> None:
    # h(95 °C, 1.6 MPa) = 399.2 kJ/kg; NDRC guidelines: (95 - 20) x 4.1868 = 314.0 kJ/kg
    assert hot_water_gj_per_t(State(None, 95.0), NONE) == pytest.approx(0.3992, abs=2e-4)
    assert hot_water_gj_per_t(State(None, 95.0), FEED_20) == pytest.approx(0.3140, abs=0.002)


def test_a_return_warmer_than_the_supply_takes_no_heat_back() -> None:
    assert hot_water_gj_per_t(State(None, 50.0, 55.0), NONE) == 0.0


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: steam_gj_per_t(State(None, 170.0), NONE), "steam without a pressure"),
        (lambda: steam_gj_per_t(State(1000.0), MEASURED), "feed water is not given"),
        (lambda: hot_water_gj_per_t(State(1000.0), NONE), "hot water without a temperature"),
        (lambda: water_t_per_m3(State(None, 70.0), in_return=True), "unknown temperature"),
        (lambda: normal_m3_per_m3(State(101.0)), "needs pressure and temperature"),
        (lambda: normal_m3_per_m3(State(-1.0, 20.0)), "no gas has"),
    ],
)
def test_what_is_missing_is_said_and_never_assumed(call: Callable[[], float], what: str) -> None:
    with pytest.raises(CarbonError, match=what):
        call()
