"""What machines use per unit of what they move, by hand and by the tables of norms."""

import pytest

from agent.equipment.consumption import per_volume_kwh_m3, pue, specific_power
from agent.equipment.errors import NoFigureError


def test_specific_power_by_the_norm() -> None:
    # GB 19153-2019: 90 kW at 0.7 MPa, air-cooled, grade 1: 5.8 kW/(m3/min), which is 5.8 / 60 = 0.09667 kWh/m3.
    # An hour at 90 kW with 90 / 5.8 * 60 = 931.03 m3.
    assert specific_power(90.0, 931.0345) == pytest.approx(5.8, abs=1e-5)
    assert per_volume_kwh_m3(90.0, 931.0345) == pytest.approx(0.09667, abs=1e-5)


def test_a_pump_by_hand() -> None:
    # 100 m3 raised by 30 m need 100 * 1000 * 9.80665 * 30 / 3.6e6 = 8.172 kWh; at 60 % efficiency 13.62 kWh.
    assert per_volume_kwh_m3(100 * 1000 * 9.80665 * 30 / 3.6e6 / 0.6, 100.0) == pytest.approx(0.1362, abs=1e-4)


def test_a_server_room_by_hand() -> None:
    assert pue(total_kwh=1500.0, computers_kwh=1000.0) == 1.5


def test_where_nothing_flows_there_is_no_figure() -> None:
    with pytest.raises(NoFigureError, match="nothing was delivered"):
        specific_power(1.0, 0.0)
    with pytest.raises(NoFigureError, match="nothing was delivered"):
        per_volume_kwh_m3(1.0, 0.0)
    with pytest.raises(NoFigureError, match="used nothing"):
        pue(1.0, 0.0)
