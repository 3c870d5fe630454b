from collections.abc import Iterator

import pytest
import seuif97

from simulators.boiler import ATMOSPHERE_MPA, NCV_MJ_PER_NM3, Boiler, BoilerRating

STEP_S = 0.5
LEAST_COUNT = {"gas_volume": 0.01, "steam_mass": 0.001, "heat_energy": 0.001}
"""What the last digit of such counters is worth [Nm3, t, GJ]."""


def run(boiler: Boiler, seconds: float) -> Iterator[Boiler]:
    for step in range(1, round(seconds / STEP_S) + 1):
        boiler.advance(STEP_S, step * STEP_S)
        yield boiler


def make(seed: int = 1, start_hour: float = 6.0, **rating: object) -> Boiler:
    return Boiler(BoilerRating.model_validate(rating), seed=seed, name="boiler-1", start_hour=start_hour)


def test_fuel_heat_times_efficiency_is_the_heat_in_steam_and_blow_down_to_the_counters_resolution() -> None:
    boiler = make()
    fuel_mj = steam_mj = blowdown_mj = gas_before = steam_before = blowdown_before = 0.0

    for state in run(boiler, 6 * 3600):
        absolute = state.pressure_mpa + ATMOSPHERE_MPA
        h_steam = seuif97.px2h(absolute, 1)
        h_drum = seuif97.px2h(absolute, 0)
        h_feed = seuif97.pt2h(absolute, state.feed_degc)
        now = state.books()
        fuel_mj += (now["gas_volume"] - gas_before) * NCV_MJ_PER_NM3 * state.efficiency
        steam_mj += (now["steam_mass"] - steam_before) * (h_steam - h_feed)
        blowdown_mj += (now["blowdown_mass"] - blowdown_before) * (h_drum - h_feed)
        gas_before, steam_before, blowdown_before = now["gas_volume"], now["steam_mass"], now["blowdown_mass"]

    assert fuel_mj > 10_000
    assert fuel_mj == pytest.approx(steam_mj + blowdown_mj, abs=LEAST_COUNT["gas_volume"] * NCV_MJ_PER_NM3)
    assert fuel_mj == pytest.approx(steam_mj + blowdown_mj, rel=1e-9)
    assert boiler.books()["heat_energy"] == pytest.approx(steam_mj / 1000, abs=LEAST_COUNT["heat_energy"])


def test_every_counter_is_the_integral_of_its_flow_and_never_falls() -> None:
    boiler = make()
    pairs = {
        "gas_volume": "gas_flow",
        "gas_volume_actual": "gas_flow_actual",
        "steam_mass": "steam_flow",
        "feed_water_mass": "feed_water_flow",
        "blowdown_mass": "blowdown_flow",
    }
    integral = dict.fromkeys(pairs, 0.0)
    before = boiler.books()

    for state in run(boiler, 3 * 3600):
        values = state.values()
        for counter, flow in pairs.items():
            integral[counter] += values[flow] * STEP_S / 3600
        assert all(values[counter] >= before[counter] for counter in before)
        before = state.books()

    assert {counter: before[counter] for counter in pairs} == pytest.approx(integral, rel=1e-12)


def test_water_in_minus_water_out_is_the_change_in_the_drum_and_the_level_holds() -> None:
    boiler = make()
    drum_before = boiler.drum_t

    levels = [state.values()["drum_level"] for state in run(boiler, 24 * 3600)]

    books = boiler.books()
    stored = books["feed_water_mass"] - books["steam_mass"] - books["blowdown_mass"]
    assert stored == pytest.approx(boiler.drum_t - drum_before, abs=1e-9)
    assert 40 < min(levels) < max(levels) < 60
    assert max(levels) - min(levels) > 0.1


def test_efficiency_over_load_is_that_of_a_good_gas_boiler_and_peaks_at_part_load() -> None:
    boiler = make()
    curve = {}
    for percent in range(20, 101, 10):
        boiler._set_stack(percent / 100, 0.0)
        curve[percent] = 100 * boiler.efficiency

    assert 92 < curve[100] < 96  # GB 24500-2020, natural gas, not condensing
    assert max(curve, key=lambda load: curve[load]) in (50, 60, 70, 80)
    assert curve[20] < curve[100]


def test_stack_oxygen_falls_and_stack_temperature_rises_with_load() -> None:
    boiler = make()
    oxygen, temperature = [], []
    for load in (0.2, 0.4, 0.6, 0.8, 1.0):
        boiler._set_stack(load, 0.0)
        oxygen.append(boiler.oxygen)
        temperature.append(boiler.stack_degc)

    assert oxygen == sorted(oxygen, reverse=True)
    assert temperature == sorted(temperature)
    assert 2.5 < min(oxygen) < max(oxygen) < 8


def test_firing_follows_a_step_of_demand_as_a_first_order_lag() -> None:
    boiler = make(start_hour=0.0, swing=0.0, demand=[0.4] * 24, firing_lag_s=30)
    boiler.firing = 1.0

    for _ in run(boiler, 30):
        pass

    assert boiler.firing == pytest.approx(0.4 + 0.6 * 0.36787944117144233)


def test_a_boiler_of_one_ton_per_hour_burns_what_its_size_suggests() -> None:
    boiler = make(swing=0.0, demand=[1.0] * 24)

    assert boiler.steam_t_h == pytest.approx(1.0, rel=0.01)
    assert boiler.gas_nm3_h * NCV_MJ_PER_NM3 / 3.6 == pytest.approx(700, rel=0.03)  # kW of fuel


def test_without_demand_the_burner_stops_and_starts_again_later() -> None:
    shape = [0.0] * 6 + [0.8] * 18
    boiler = make(start_hour=23.0, swing=0.0, demand=shape)
    flows = [state.gas_nm3_h for state in run(boiler, 8 * 3600)]

    assert flows[0] > 0
    assert min(flows) == 0.0
    assert flows[-1] > 0
    assert boiler.starts == 1
    assert boiler.books()["run_hours"] < 8


def test_steam_is_saturated_at_the_drum_pressure() -> None:
    values = make().values()

    assert values["steam_temperature"] == pytest.approx(seuif97.px2t(values["steam_pressure"] + ATMOSPHERE_MPA, 1))
    assert values["steam_temperature"] == pytest.approx(184, abs=1)  # 1.0 MPa gauge
