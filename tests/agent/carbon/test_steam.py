"""Steam against the verification values printed in IAPWS R7-97(2012), tables 5, 15 and 36, and a steam table."""

import pytest

from agent.carbon.errors import CarbonError
from agent.carbon.steam import (
    SteamReference,
    saturation_temperature_degc,
    steam_enthalpy_kj_kg,
    steam_heat_gj_per_t,
    water_enthalpy_kj_kg,
)

KELVIN = 273.15


@pytest.mark.parametrize(
    ("kelvin", "pressure_mpa", "expected"),
    [(300, 3, 115.331273), (300, 80, 184.142828), (500, 3, 975.542239)],
)
def test_water_meets_table_5_of_if97(kelvin: float, pressure_mpa: float, expected: float) -> None:
    assert water_enthalpy_kj_kg(pressure_mpa, kelvin - KELVIN) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("kelvin", "pressure_mpa", "expected"),
    [(300, 0.0035, 2549.91145), (700, 0.0035, 3335.68375), (700, 30, 2631.49474)],
)
def test_steam_meets_table_15_of_if97(kelvin: float, pressure_mpa: float, expected: float) -> None:
    assert steam_enthalpy_kj_kg(pressure_mpa, kelvin - KELVIN) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("pressure_mpa", "kelvin"), [(0.1, 372.755919), (1, 453.035632), (10, 584.149488)])
def test_boiling_meets_table_36_of_if97(pressure_mpa: float, kelvin: float) -> None:
    assert saturation_temperature_degc(pressure_mpa) == pytest.approx(kelvin - KELVIN, abs=1e-6)


def test_saturated_steam_of_1_mpa_meets_the_steam_table() -> None:
    assert steam_enthalpy_kj_kg(1.0) == pytest.approx(2777.1, abs=0.05)


def test_the_references_differ_by_the_feed_water() -> None:
    enthalpy = steam_enthalpy_kj_kg(1.0)

    assert steam_heat_gj_per_t(enthalpy, SteamReference("none")) == pytest.approx(2.7771, abs=5e-5)
    assert steam_heat_gj_per_t(enthalpy, SteamReference("feed_water_83.74")) == pytest.approx(2.6934, abs=5e-5)


def test_ten_tonnes_of_saturated_steam_at_1_mpa_as_standard_coal() -> None:
    heat_mj = 10 * steam_heat_gj_per_t(steam_enthalpy_kj_kg(1.0), SteamReference.NONE) * 1000

    # 27,771 MJ x 0.03412 = 947.6 kgce; the old 0.1286 kgce/kg would give 1286: 36 % too much.
    assert heat_mj * 0.03412 == pytest.approx(947.6, abs=0.1)
    assert 1286 / (heat_mj * 0.03412) == pytest.approx(1.36, abs=0.005)


@pytest.mark.parametrize(
    ("pressure_mpa", "temperature_degc", "what"),
    [
        (1.0, 179.0, "is not superheated: it boils at 179.89 °C"),
        (23.0, None, "no saturated steam at 23.0 MPa"),
        (0.0, None, "no saturated steam at 0.0 MPa"),
        (1.0, 900.0, "outside the steam tables"),
        (-0.1, 200.0, "outside the steam tables"),
        (float("nan"), 200.0, "outside the steam tables"),
        (float("nan"), None, "no saturated steam"),
    ],
)
def test_what_is_no_steam_is_refused(pressure_mpa: float, temperature_degc: float | None, what: str) -> None:
    with pytest.raises(CarbonError, match=what):
        steam_enthalpy_kj_kg(pressure_mpa, temperature_degc)


def test_feed_water_that_would_boil_is_refused() -> None:
    with pytest.raises(CarbonError, match=r"no liquid at 105.0 °C: it boils at 99.6"):
        water_enthalpy_kj_kg(0.1, 105.0)

    assert water_enthalpy_kj_kg(0.3, 105.0) == pytest.approx(440.3, abs=0.3)
