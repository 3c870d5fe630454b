"""What one unit of an output takes: sums over members, and nothing where nothing was made."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.intensity.period import intensities, intensity_of_period
from agent.intensity.ratio import Made, Members, Spent, ratio
from agent.plant import Intensity
from agent.record import encode

STEAM = Intensity("steam", ("boiler-1/natural_gas", "fan-1/electricity"), "steam", ("feed/water",))
DAY = {"period": "day", "start": "2026-11-19T16:00:00.000000Z", "end": "2026-11-20T16:00:00.000000Z"}


def record(account: str, amount: float, unit: str, **more: Any) -> dict[str, Any]:
    head = {"account": account, "amount": amount, "unit": unit, **DAY}
    return {**head, "coverage": 1.0, "estimated": 0.0, "quality": "good", **more}


def steam_plant(made: float = 120.0) -> dict[str, dict[str, Any]]:
    """Return a day of the boiler house: 9000 Nm3 of gas, 1500 kWh of its fan, 130 m3 of water."""
    records = [
        # 9000 Nm3 x 38.931 MJ/Nm3 = 350 379 MJ = 97 327.5 kWh = 11 955.226 6 kgce (29.3076 MJ/kgce);
        # CO2: 350.379 GJ x 0.0153 tC/GJ x 0.99 x 44/12 = 19.459 699 3 t
        record("boiler-1/natural_gas", 9000.0, "Nm3", energy_kwh=97327.5, kgce=11955.2266, co2_kg=19459.6993),
        # 1500 kWh x 0.1229 = 184.35 kgce; 1500 kWh x 0.6553 kg/kWh = 982.95 kg, market 0.6096 -> 914.4 kg
        record("fan-1/electricity", 1500.0, "kWh", energy_kwh=1500.0, kgce=184.35, co2_kg=982.95, co2_market_kg=914.4),
        record("feed/water", 130.0, "m3", energy_kwh=272.28, kgce=33.423),
        record("steam", made, "t"),
    ]
    return {each["account"]: each for each in records}


def test_a_day_of_the_steam_plant_by_hand() -> None:
    body = intensity_of_period(STEAM, steam_plant())

    assert body["output_amount"] == 120.0
    assert body["energy_kwh"] == 98827.5
    assert body["energy_kwh_per_t"] == 823.5625  # 98 827.5 / 120
    assert body["kgce_per_t"] == 101.163138  # (11 955.226 6 + 184.35) / 120
    assert body["co2_kg_per_t"] == 170.355411  # (19 459.699 3 + 982.95) / 120
    assert body["co2_market_kg_per_t"] == 169.784161  # gas counts the same in both: (19 459.699 3 + 914.4) / 120
    assert body["water_m3_per_t"] == 1.083333  # 130 / 120
    assert (body["period"], body["start"], body["coverage"]) == ("day", DAY["start"], 1.0)


def test_value_added_is_an_output_like_any_other() -> None:
    records = steam_plant()
    records["steam"] = record("steam", 25.0, "10kCNY", quality="uncertain:manual", estimated=1.0)
    body = intensity_of_period(STEAM, records)

    assert body["kgce_per_10kcny"] == 485.583064  # 12 139.576 6 kgce / 25
    assert (body["quality"], body["estimated"]) == ("uncertain:manual", 1.0), "what was entered shows in the total"


@pytest.mark.parametrize("made", [0.0, -1.0])
def test_without_output_there_is_no_intensity_at_all(made: float) -> None:
    body = intensity_of_period(STEAM, steam_plant(made))

    assert not [key for key in body if "_per_" in key]
    assert body["energy_kwh"] == 98827.5


def test_without_the_record_of_a_member_there_is_nothing_and_it_is_named() -> None:
    records = steam_plant()
    del records["fan-1/electricity"]
    body = intensity_of_period(STEAM, records)

    assert body["missing"] == ["fan-1/electricity"]
    assert not [key for key in body if "energy" in key or "_per_" in key]


def test_records_of_unequal_time_have_no_ratio_and_what_lacks_intervals_is_named() -> None:
    whole = {"intervals": 2976, "expected": 2976}
    records = {name: each | whole for name, each in steam_plant().items()}
    records["steam"] |= {"intervals": 1152}
    body = intensity_of_period(STEAM, records)

    assert body["missing"] == ["steam"]
    assert not [key for key in body if "energy" in key or "_per_" in key]


def test_without_a_co2_factor_of_a_member_there_is_no_co2_and_it_is_named() -> None:
    records = steam_plant()
    del records["fan-1/electricity"]["co2_kg"], records["fan-1/electricity"]["co2_market_kg"]
    body = intensity_of_period(STEAM, records)

    assert body["incomplete"] == ["fan-1/electricity"]
    assert not [key for key in body if key.startswith("co2")]
    assert body["energy_kwh_per_t"] == 823.5625


def test_an_interval_of_a_virtual_account_belongs_to_those_of_accounts() -> None:
    records = [{key: value for key, value in each.items() if key != "period"} for each in steam_plant().values()]
    records[0] |= {"period": "interval", "intervals": 1, "expected": 1}
    (body,) = intensities(STEAM, records)
    assert (body["energy_kwh_per_t"], "period" in body) == (823.5625, False)


def test_periods_stay_apart_and_come_in_order() -> None:
    second = {"start": "2026-11-20T16:00:00.000000Z", "end": "2026-11-21T16:00:00.000000Z"}
    records = [{**each, **second} for each in steam_plant(60.0).values()] + [*steam_plant().values()]
    records.append(record("other/electricity", 1.0, "kWh"))

    assert [body["energy_kwh_per_t"] for body in intensities(STEAM, records)] == [823.5625, 1647.125]


_AMOUNTS = st.floats(0, 1e9) | st.just(0.0)
_FIGURES = st.dictionaries(st.sampled_from(["energy_kwh", "kgce", "co2_kg", "co2_market_kg"]), _AMOUNTS)


@given(st.lists(_FIGURES, min_size=1, max_size=4), _AMOUNTS | st.floats(-1e6, 0), st.floats(0, 1))
def test_whatever_is_missing_no_figure_is_infinite_or_invented(
    figures: list[dict[str, float]], made: float, covered: float
) -> None:
    parts = [Spent(f"a/{index}", each, covered, 0.0) for index, each in enumerate(figures)]
    body = ratio(Members(parts), Made("steam", made, "t", 1.0, 0.0))

    encode(body)  # refuses what is missing or not finite
    assert all(math.isfinite(value) for value in body.values() if isinstance(value, float))
    assert any("_per_" in key for key in body) == (round(made, 6) > 0)
    known = all("co2_kg" in each for each in figures)
    assert ("co2_kg" in body, "incomplete" in body) == (known, not known)
    assert body["coverage"] == covered
