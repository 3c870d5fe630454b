"""What is wrong in an `[[equipment]]` is said at its place, with what to do."""

from pathlib import Path

import pytest

from agent.config import ConfigError
from agent.sections.equipment import BoilerSection, MotorSection, TransformerSection
from tests.agent.equipment.test_source import BOILER, DEVICES, FEEDER, MOTOR
from tests.agent.frames import SITE, configured


def problems(folder: Path, equipment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configured(folder, SITE + DEVICES + equipment)
    return [f"{problem.what}: {problem.remedy}" for problem in caught.value.problems]


def test_the_tables_of_equipment_become_sections_of_their_kind(tmp_path: Path) -> None:
    motor, boiler, feeder = configured(tmp_path, SITE + DEVICES + MOTOR + BOILER + FEEDER).equipment

    assert isinstance(motor, MotorSection)
    assert motor.efficiency_percent == 94.6
    assert motor.electricity_account == "fan-1/electricity"
    assert isinstance(boiler, BoilerSection)
    assert feeder.kind == "feeder"


TRANSFORMER = '[[equipment]]\nkind = "transformer"\ndevice = "meter"\ncapacity = "1600 kVA"\n'
VIRTUAL = '[[virtual]]\nname = "site/all"\nsum = ["fan-1/electricity", "meter/electricity"]\n'
SOLD = (
    '[[account]]\nname = "meter/sold"\ndevice = "meter"\ncarrier = "electricity"\nfrom = "active_energy_export"\n'
    'direction = "export"\n'
)
WRONG = [
    (MOTOR.replace("motor", "motr"), "equipment.kind: input should be 'boiler', 'motor', 'transformer'"),
    (MOTOR.replace('"fan-1"', '"fan-2"'), "no device 'fan-2': did you mean 'fan-1'?"),
    (MOTOR + 'electricity = "fan-1/elec"\n', "no account or output 'fan-1/elec': did you mean 'fan-1/electricity'"),
    (MOTOR + 'electricity = "steam"\n', "'steam' is counted in t, and 'electricity' must be in kWh"),
    (MOTOR + 'span = "2min"\n', "no window '2min': [windows] spans: 15min, 1h"),
    (MOTOR + MOTOR, "there is a second motor of 'fan-1'"),
    (MOTOR + "rated_efficiency = 94.0\n", "rated_efficiency and efficiency_grade say the same: remove one"),
    (MOTOR.replace("poles = 4\n", ""), "give rated_efficiency, or efficiency_grade and poles"),
    (MOTOR.replace("55 kW", "60 kW"), "the table of GB 18613 has no 60 kW"),
    (MOTOR.replace("1.3 kW", "4 kW"), "no_load_power is more than all losses at rated power, 3.14 kW: correct it"),
    (MOTOR + "colour = 3\n", "unknown key 'colour' in [equipment]"),
    (BOILER.replace("steam_moisture = 2.0\n", ""), "saturated steam needs steam_moisture"),
    (BOILER.replace('steam_state = "saturated"\n', ""), "steam needs steam_state: add 'saturated' or 'superheated'"),
    (BOILER.replace('fuel = ["boiler-1/natural_gas"]\n', ""), "the direct efficiency needs fuel, and steam or heat"),
    (BOILER.replace("q5 = 1.7\n", ""), "the indirect efficiency also needs q5: add them"),
    (BOILER + 'heat = "steam"\n', "give either steam, or the heat of hot water: remove one"),
    ('[[equipment]]\nkind = "boiler"\ndevice = "boiler-1"\n', "nothing to work out: add fuel and steam"),
    (TRANSFORMER, "give no_load_loss and load_loss, or efficiency_grade"),
    (TRANSFORMER + 'efficiency_grade = 1\nload_loss = "14 kW"\n', "losses and efficiency_grade say the same"),
    (TRANSFORMER.replace("1600", "1700") + "efficiency_grade = 1\n", "the table of GB 20052 has no 1700 kVA"),
    (MOTOR + 'electricity = "site/all"\n' + VIRTUAL, "'site/all' is a virtual account, of which no windows are kept"),
    (
        TRANSFORMER.replace('"meter"', '"boiler-1"') + "efficiency_grade = 1\n",
        "needs apparent_power or active_power and",
    ),
    (
        BOILER.replace('device = "boiler-1"', 'device = "meter"'),
        "a boiler needs steam_pressure, feed_water_temperature, sta",
    ),
    (BOILER.replace('["boiler-1/natural_gas"]', '["steam"]'), "'steam' is an output, which has no energy"),
    (
        BOILER.replace('["boiler-1/natural_gas"]', '["meter/sold"]') + SOLD,
        "'meter/sold' is no fuel: its direction is exp",
    ),
    (BOILER.replace('gas"]', 'gas", "boiler-1/natural_gas"]'), "'boiler-1/natural_gas' stands twice and would count"),
    (TRANSFORMER.replace("kVA", "kW") + "efficiency_grade = 1\n", "equipment.capacity: '1600 kW' is not understood"),
]


@pytest.mark.parametrize(("equipment", "said"), WRONG)
def test_a_mistake_is_said_with_its_remedy(tmp_path: Path, equipment: str, said: str) -> None:
    found = problems(tmp_path, equipment)

    assert len(found) == 1
    assert said in found[0]


def test_a_server_room_names_accounts_that_exist(tmp_path: Path) -> None:
    room = (
        '[[equipment]]\nkind = "server_room"\narea = "office"\ntotal = ["meter/electricity"]\ncomputers = ["ups/x"]\n'
    )

    assert [text.split(":")[0] for text in problems(tmp_path, room)] == ["no account or output 'ups/x'"]


def test_the_losses_of_a_transformer_are_those_declared() -> None:
    declared = {"kind": "transformer", "device": "meter", "capacity": "1600 kVA"}
    section = TransformerSection.from_file(declared | {"no_load_loss": "1.2 kW", "load_loss": "14.5 kW"})

    assert (section.nameplate.no_load_kw, section.nameplate.load_kw) == (1.2, 14.5)
