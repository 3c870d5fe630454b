"""The figures of declared equipment, from what devices say to what is published."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from agent.equipment.source import Equipment, span_of
from agent.figure import Figure
from agent.latest import Latest
from agent.sections.equipment import FeederSection, MoverSection
from drivers.frame import Frame
from drivers.reading import Quality
from tests.agent.desk import START, Desk, S
from tests.agent.frames import SITE, configured

DEVICES = """
[[device]]
name = "fan-1"
area = "boiler-house"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
every = "10s"

[[device]]
name = "boiler-1"
area = "boiler-house"
line = "hall"
unit = 2
profile = "generic/steam-boiler"
every = "10s"

[[device]]
name = "meter"
area = "substation"
line = "hall"
unit = 3
profile = "eastron/sdm630"
every = "10s"

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"

[windows]
spans = ["15min", "1h"]
tick = "10s"

"""
MOTOR = """[[equipment]]
kind = "motor"
device = "fan-1"
rated_power = "55 kW"
efficiency_grade = 3
poles = 4
no_load_power = "1.3 kW"
"""
BOILER = """[[equipment]]
kind = "boiler"
device = "boiler-1"
fuel = ["boiler-1/natural_gas"]
steam = "steam"
steam_state = "saturated"
steam_moisture = 2.0
flue_gas_m = 0.5
flue_gas_n = 3.45
q3 = 0.1
q4 = 0.0
q5 = 1.7
q6 = 0.0
"""
FEEDER = '[[equipment]]\nkind = "feeder"\ndevice = "meter"\n'
GAUGES = {
    "steam_pressure": 1.0 - 0.101325,
    "feed_water_temperature": 105.0,
    "stack_temperature": 150.0,
    "ambient_temperature": 20.0,
    "stack_oxygen": 3.5,
}


class Works:
    """A plant whose devices say what a test tells them to."""

    def __init__(self, folder: Path, equipment: str, devices: str = DEVICES, site: str = "") -> None:
        self.desk = Desk(configured(folder, SITE.replace("[site]", f"[site]\n{site}") + devices + equipment))
        self.latest = Latest()
        profiles = self.desk.config.profiles
        self.latest.configure(profiles, profiles)
        self.equipment = Equipment(self.desk.config, self.desk.ledger, self.latest.of)
        self.now_ns = START

    def says(self, device: str, second: float, told: Mapping[str, float | Quality]) -> None:
        """Take a frame of a device; of counters the registers are of no matter."""
        profile = self.desk.config.profiles[device]
        values = np.full(len(profile.points), math.nan)
        quality = np.full(len(profile.points), Quality.NOT_READ, np.uint8)
        for word, value in told.items():
            index = profile.index[word]
            quality[index] = value if isinstance(value, Quality) else Quality.GOOD
            values[index] = math.nan if isinstance(value, Quality) else value
        at_ns = START + round(second * S)
        raw = {profile.index[word]: bytes(4) for word in told}
        frame = Frame(device, at_ns, at_ns, values, quality, raw)
        self.desk.ledger.take(frame)
        self.latest.take(frame, 0)

    def tick(self, second: float) -> None:
        self.now_ns = START + round(second * S)
        self.desk.ledger.tick(self.now_ns)

    def run(self, seconds: int, device: str, word: str, per_hour: float, **gauges: float | Quality) -> None:
        """Let a counter of a device grow evenly, with constant gauges, from a round thousand on."""
        for second in range(0, seconds + 1, 10):
            self.says(device, second, {word: 1000 + per_hour * second / 3600, **gauges})
            self.tick(second)

    def figures(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in self.equipment.figures(self.now_ns)}


def test_a_motor_is_judged_by_its_mean_power_over_the_span(tmp_path: Path) -> None:
    works = Works(tmp_path, MOTOR)
    works.run(1200, "fan-1", "active_energy_import", 29.25988)
    found = works.figures()

    # Half load by hand: 27.5 + 1.3 + 0.25 * (55 (1 / 0.946 - 1) - 1.3) = 29.25988 kW.
    load = found["motor_load_rate"]
    assert load.value == pytest.approx(50.0, abs=0.01)
    assert found["motor_efficiency"].value == pytest.approx(93.985, abs=0.001)
    assert (load.place, load.span, load.unit) == ("boiler-house/fan-1", "15min", "%")
    assert load.norm == "GB/T 12497-2006; GB 18613-2020"
    assert load.unverified
    assert load.inputs["input_power_kw"] == pytest.approx(29.26, abs=0.005)
    assert load.inputs["rated_efficiency_percent"] == 94.6
    assert load.coverage == pytest.approx(1.0, abs=0.02)


def test_a_motor_without_no_load_power_gives_no_figure_and_says_so(tmp_path: Path) -> None:
    works = Works(tmp_path, MOTOR.replace('no_load_power = "1.3 kW"\n', ""))
    works.run(1200, "fan-1", "active_energy_import", 29.26)

    load = works.figures()["motor_load_rate"]
    assert load.value is None
    assert load.missing == ("no_load_power_kw: not declared",)
    assert load.inputs["rated_power_kw"] == 55.0


def test_before_anything_is_measured_there_is_no_figure(tmp_path: Path) -> None:
    works = Works(tmp_path, MOTOR + BOILER)
    works.tick(10)
    found = works.figures()

    assert {figure.value for figure in found.values()} == {None}
    assert found["motor_load_rate"].missing == ("fan-1/electricity: not measured",)
    assert "boiler-1/stack_oxygen: not read" in found["boiler_efficiency_indirect"].missing
    assert {figure.coverage for figure in found.values()} == {0.0}


def test_a_motor_that_is_off_has_no_load_rate(tmp_path: Path) -> None:
    works = Works(tmp_path, MOTOR)
    works.run(1200, "fan-1", "active_energy_import", 0.0)

    assert works.figures()["motor_efficiency"].missing == ("it is off",)


def boiler(works: Works, gas_nm3: float, steam_t: float, **gauges: float | Quality) -> dict[str, Figure]:
    """Let a boiler run for half an hour at an hourly rate; return its figures."""
    for second in range(0, 1801, 10):
        told = {"gas_volume": 1000 + gas_nm3 * second / 3600, "steam_mass": 50 + steam_t * second / 3600}
        works.says("boiler-1", second, told | GAUGES | gauges)
        works.tick(second)
    return works.figures()


def test_a_boiler_by_hand(tmp_path: Path) -> None:
    found = boiler(Works(tmp_path, BOILER), gas_nm3=72.0, steam_t=1.0)

    # As in the tests of the formulas: 2295.9 MJ of 72 * 38.931 = 2803.0 MJ; 100 - 6.032 - 1.8.
    assert found["boiler_efficiency_direct"].value == pytest.approx(2295.9 / 2803.0 * 100, abs=0.05)
    assert found["boiler_efficiency_direct"].inputs["steam_heat_kj_kg"] == pytest.approx(2295.9, abs=0.2)
    assert found["boiler_efficiency_indirect"].value == pytest.approx(92.168)
    assert found["boiler_efficiency_indirect"].inputs["q2_percent"] == pytest.approx(6.032)
    assert found["boiler_efficiency_indirect"].span == "now"
    assert found["boiler_steam_per_fuel"].value == pytest.approx(13.889, abs=0.01)
    assert found["boiler_steam_per_fuel"].unit == "kg/Nm3"
    assert all(figure.unverified for figure in found.values())


def test_a_boiler_on_high_ground_has_its_gauge_above_the_thinner_air(tmp_path: Path) -> None:
    # 0.7188 MPa above the 81.2 kPa of Kunming are 0.8 MPa: by the steam tables 2768.3 kJ/kg, r 2047.3; water of
    # 105 °C 440.7 kJ/kg. 2768.3 - 0.02 * 2047.3 - 440.7 = 2286.7 kJ/kg.
    works = Works(tmp_path, BOILER, DEVICES, site='atmosphere = "81.2 kPa"')
    found = boiler(works, gas_nm3=72.0, steam_t=1.0, steam_pressure=0.7188)

    efficiency = found["boiler_efficiency_direct"]
    assert efficiency.inputs["steam_heat_kj_kg"] == pytest.approx(2286.7, abs=0.2)
    assert efficiency.inputs["atmosphere_mpa"] == 0.0812


def test_efficiencies_that_lie_apart_raise_a_flag(tmp_path: Path) -> None:
    apart = boiler(Works(tmp_path, BOILER), gas_nm3=72.0, steam_t=1.0)
    assert apart["boiler_efficiency_divergence"].value == pytest.approx(81.91 - 92.168, abs=0.05)
    assert apart["boiler_efficiency_diverges"].value == 1.0

    agreeing = boiler(Works(tmp_path, BOILER), gas_nm3=65.0, steam_t=1.0)
    assert agreeing["boiler_efficiency_divergence"].value == pytest.approx(90.73 - 92.168, abs=0.05)
    assert agreeing["boiler_efficiency_diverges"].value == 0.0


def test_a_boiler_without_oxygen_keeps_its_direct_efficiency_only(tmp_path: Path) -> None:
    found = boiler(Works(tmp_path, BOILER), gas_nm3=72.0, steam_t=1.0, stack_oxygen=Quality.NOT_AVAILABLE)

    assert found["boiler_efficiency_direct"].value is not None
    for name in ("boiler_efficiency_indirect", "boiler_efficiency_divergence", "boiler_efficiency_diverges"):
        assert found[name].value is None
        assert found[name].missing == ("boiler-1/stack_oxygen: bad:not_available",)


def test_a_boiler_that_burns_nothing_has_no_efficiency(tmp_path: Path) -> None:
    found = boiler(Works(tmp_path, BOILER), gas_nm3=0.0, steam_t=0.0)

    assert found["boiler_efficiency_direct"].missing == ("no fuel was used",)
    assert found["boiler_steam_per_fuel"].missing == ("no fuel was used",)


@pytest.mark.parametrize(
    ("doubt", "estimated"),
    [(Quality.STALE, 1.0), (Quality.SUBSTITUTED, 1.0), (Quality.CLOCK_UNSYNCED, 0.0), (Quality.GOOD, 0.0)],
)
def test_a_reading_in_doubt_makes_the_figure_estimated_and_an_old_one_is_no_reading(
    tmp_path: Path, doubt: Quality, estimated: float
) -> None:
    works = Works(tmp_path, BOILER)
    boiler(works, gas_nm3=72.0, steam_t=1.0)
    profile = works.desk.config.profiles["boiler-1"]
    quality = np.full(len(profile.points), doubt, np.uint8)
    values = np.full(len(profile.points), 3.5)
    works.latest.take(Frame("boiler-1", works.now_ns, works.now_ns, values, quality), 0)
    assert works.figures()["boiler_efficiency_indirect"].estimated == estimated

    works.now_ns += 901 * S
    missing = works.figures()["boiler_efficiency_indirect"].missing
    assert "boiler-1/stack_oxygen: not read for over 15 min" in missing


def with_profile(name: str) -> str:
    """Return the devices with another profile in place of the boiler's, which makes no steam."""
    text = DEVICES.replace("generic/steam-boiler", name)
    return text[: text.index("[[output]]")] + text[text.index("[windows]") :]


def test_hot_water_by_its_heat_meter(tmp_path: Path) -> None:
    heat = '[[account]]\nname = "boiler-1/heat"\ndevice = "boiler-1"\ncarrier = "hot_water"\nfrom = "heat_energy"\n'
    profile = tmp_path / "water-boiler.toml"
    profile.write_text(
        'model = "water boiler"\nkind = "boiler"\nsource = "a test"\nfunction = 3\ntype = "float32"\n'
        'word_order = "big"\nbyte_order = "big"\nmax_registers = 10\nmax_gap = 2\n[points]\n'
        'gas_volume = { address = 0, unit = "Nm3" }\nheat_energy = { address = 2, unit = "GJ" }\n'
        '[[accounts]]\nname = "natural_gas"\ncarrier = "natural_gas"\nfrom = "gas_volume"\n',
        encoding="utf-8",
    )
    declared = '[[equipment]]\nkind = "boiler"\ndevice = "boiler-1"\nfuel = ["boiler-1/natural_gas"]\n'
    works = Works(tmp_path, heat + declared + 'heat = "boiler-1/heat"\n', with_profile("water-boiler.toml"))
    for second in range(0, 1801, 10):
        works.says("boiler-1", second, {"gas_volume": 100 * second / 3600, "heat_energy": 3.6 * second / 3600})
        works.tick(second)

    # 3.6 GJ by 100 Nm3 of 38.931 MJ: 92.47 %.
    assert works.figures()["boiler_efficiency_direct"].value == pytest.approx(92.471, abs=0.01)


def test_a_feeder_by_hand(tmp_path: Path) -> None:
    works = Works(tmp_path, FEEDER)
    told = {"active_power": 87.0, "reactive_power": 49.3052, "current_l1": 203.0, "current_l2": 210.0,
            "current_l3": 212.0, "voltage_l1_l2": 400.0, "voltage_l2_l3": 400.0, "voltage_l3_l1": 400.0}  # fmt: skip
    energy = 1000.0
    for second in range(0, 3601, 10):
        if second:
            energy += (30.0 if 1200 < second <= 2400 else 10.0) / 360
        works.says("meter", second, told | {"active_energy_import": energy, "apparent_power": 100.0})
        works.tick(second)
    found = works.figures()

    assert found["power_factor"].value == pytest.approx(0.87, abs=1e-6)
    assert not found["power_factor"].unverified
    assert found["current_unbalance"].value == pytest.approx(2.56)
    assert found["voltage_unbalance"].value == pytest.approx(0.0, abs=1e-6)
    # 10 kW for 40 minutes and 30 kW for 20: the mean is 16.67 kW, 15 minutes of the 20 are at 30 kW.
    assert found["load_factor"].value == pytest.approx(16.667 / 30, abs=0.005)
    assert found["load_factor"].span == "1h"
    assert all(figure.norm for figure in found.values()), "every figure cites its source"
    assert found["load_factor"].inputs["highest_demand_kw"] == pytest.approx(30.0, abs=0.2)


def test_the_highest_demand_of_a_day_is_looked_for_minute_by_minute(tmp_path: Path) -> None:
    works = Works(tmp_path, FEEDER, DEVICES.replace('"1h"]', '"1h", "24h"]'))
    energy = 1000.0
    for minute in range(20 * 60 + 1):
        energy += (30.0 if 62 < minute <= 77 else 0.0) / 60  # a quarter of an hour that begins at no fifth minute
        works.says("meter", 60 * minute, {"active_power": 10.0, "active_energy_import": energy})
        works.tick(60 * minute)

    found = works.figures()["load_factor"]

    assert found.span == "24h"
    assert found.inputs["highest_demand_kw"] == pytest.approx(30.0, abs=0.01)
    assert found.value == pytest.approx(7.5 / 20 / 30, abs=1e-4)


def test_without_a_whole_demand_period_there_is_no_load_factor(tmp_path: Path) -> None:
    works = Works(tmp_path, FEEDER)
    works.run(600, "meter", "active_energy_import", 10.0)

    assert works.figures()["load_factor"].missing == ("less than one demand period of 15 min is known",)


def test_a_transformer_by_its_grade(tmp_path: Path) -> None:
    declared = '[[equipment]]\nkind = "transformer"\ndevice = "meter"\ncapacity = "1600 kVA"\nefficiency_grade = 3\n'
    works = Works(tmp_path, declared)
    works.says("meter", 0, {"apparent_power": 800.0})
    found = works.figures()

    # GB 20052, grade 3: 1.17 + 0.5² * 14.5 = 4.795 kW; sqrt(1.17 / 14.5) = 28.4 %.
    assert found["transformer_load_rate"].value == 50.0
    assert found["transformer_loss"].value == pytest.approx(4.795)
    assert found["transformer_best_load_rate"].value == pytest.approx(28.406, abs=0.001)
    assert found["transformer_loss"].norm == "GB/T 13462; GB 20052-2024"

    works.says("meter", 10, {"apparent_power": Quality.COMM_LOST})
    found = works.figures()
    assert found["transformer_load_rate"].missing == ("meter/apparent_power: bad:comm_lost",)
    assert found["transformer_best_load_rate"].value == pytest.approx(28.406, abs=0.001)


MOVERS = """
[[account]]
name = "boiler-1/air"
device = "boiler-1"
carrier = "compressed_air"
from = "air_volume"

[[account]]
name = "boiler-1/water"
device = "boiler-1"
carrier = "fresh_water"
from = "water_volume"

[[equipment]]
kind = "compressor"
device = "meter"
air = "boiler-1/air"

[[equipment]]
kind = "pump"
device = "fan-1"
volume = "boiler-1/water"

[[equipment]]
kind = "fan"
device = "fan-1"
volume = "boiler-1/air"

[[equipment]]
kind = "server_room"
area = "substation"
total = ["meter/electricity", "fan-1/electricity"]
computers = ["meter/electricity"]
"""


def test_machines_per_volume_and_a_server_room_by_hand(tmp_path: Path) -> None:
    profile = tmp_path / "volumes.toml"
    profile.write_text(
        'model = "volumes"\nkind = "sensor"\nsource = "a test"\nfunction = 3\ntype = "float32"\nword_order = "big"\n'
        'byte_order = "big"\nmax_registers = 10\nmax_gap = 2\n[points]\n'
        'air_volume = { address = 0, unit = "m3" }\nwater_volume = { address = 2, unit = "m3" }\n',
        encoding="utf-8",
    )
    works = Works(tmp_path, MOVERS, with_profile("volumes.toml"))
    for second in range(0, 1801, 10):
        hours = second / 3600
        works.says("meter", second, {"active_energy_import": 100 + 90 * hours})
        works.says("fan-1", second, {"active_energy_import": 100 + 45 * hours})
        works.says("boiler-1", second, {"air_volume": 900 * hours, "water_volume": 300 * hours})
        works.tick(second)
    found = works.figures()

    assert found["compressor_specific_power"].value == pytest.approx(6.0, abs=0.01)  # 90 kW by 15 m3/min
    assert found["pump_unit_consumption"].value == pytest.approx(0.15, abs=0.001)  # 45 kWh by 300 m3
    assert found["fan_unit_consumption"].value == pytest.approx(0.05, abs=0.001)  # 45 kWh by 900 m3
    assert found["pue"].value == pytest.approx(1.5, abs=0.001)  # 135 by 90 kWh
    assert found["pue"].place == "substation"
    norms = [
        found[name].norm for name in ("compressor_specific_power", "pump_unit_consumption", "fan_unit_consumption")
    ]
    assert norms == ["GB 19153-2019", "GB/T 13469", "GB/T 13470"]


def test_the_recorder_publishes_the_figures_of_equipment(tmp_path: Path) -> None:
    desk = Desk(configured(tmp_path, SITE + DEVICES + MOTOR))
    desk.ledger.tick(START)
    list(desk.recorder.publish_windows())

    load = next(body for body in desk.store.bodies("figure") if body["figure"] == "motor_load_rate")
    assert (load["key"], load["area"], load["device"]) == ("boiler-house/fan-1", "boiler-house", "fan-1")
    assert load["missing"] == ["fan-1/electricity: not measured"]
    assert "value" not in load


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ({"1min": 60.0, "15min": 900.0, "1h": 3600.0}, ("15min", "1h")),
        ({"1h": 3600.0, "24h": 86400.0}, ("1h", "24h")),
        ({"10s": 10.0, "1min": 60.0}, ("1min", "1min")),
    ],
)
def test_figures_go_over_about_a_quarter_of_an_hour_and_the_load_factor_over_the_longest_window(
    spans: dict[str, float], expected: tuple[str, str]
) -> None:
    pump = MoverSection(kind="pump", device="fan-1", volume="x/y")
    feeder = FeederSection(kind="feeder", device="meter")

    assert (span_of(pump, spans), span_of(feeder, spans)) == expected
    assert span_of(pump.with_(span="1h"), spans) == "1h"


def test_one_demand_period_is_enough_for_a_load_factor(tmp_path: Path) -> None:
    works = Works(tmp_path, FEEDER)
    works.run(960, "meter", "active_energy_import", 10.0)

    assert works.figures()["load_factor"].value == pytest.approx(1.0, abs=0.01)


def test_an_outage_shows_in_coverage_and_estimated_share(tmp_path: Path) -> None:
    works = Works(tmp_path, MOTOR)
    for second in range(0, 1201, 10):
        if not 600 < second < 900:
            works.says("fan-1", second, {"active_energy_import": 1000 + 30 * second / 3600})
        works.tick(second)
    load = works.figures()["motor_load_rate"]

    assert load.value == pytest.approx(51.3, abs=0.1)
    assert load.coverage == pytest.approx(600 / 900, abs=0.02)
    assert load.estimated == pytest.approx(300 / 900, abs=0.02)


def test_the_divergence_is_covered_no_better_than_its_worse_efficiency(tmp_path: Path) -> None:
    works = Works(tmp_path, BOILER)
    for second in range(0, 451, 10):
        works.says("boiler-1", second, GAUGES | {"gas_volume": 72 * second / 3600, "steam_mass": second / 3600})
        works.tick(second)
    found = works.figures()

    assert found["boiler_efficiency_direct"].coverage == pytest.approx(0.5, abs=0.02)
    assert found["boiler_efficiency_indirect"].coverage == 1.0
    assert found["boiler_efficiency_divergence"].coverage == found["boiler_efficiency_direct"].coverage


def test_equipment_that_is_declared_later_has_figures_from_then_on(tmp_path: Path) -> None:
    desk = Desk(configured(tmp_path, SITE + DEVICES))
    desk.ledger.tick(START)
    list(desk.recorder.publish_windows())
    assert not [body for body in desk.store.bodies("figure") if body["figure"].startswith("motor")]

    desk.recorder.configure(configured(tmp_path, SITE + DEVICES + MOTOR), desk.ledger)
    list(desk.recorder.publish_windows())
    assert [body for body in desk.store.bodies("figure") if body["figure"].startswith("motor")]
