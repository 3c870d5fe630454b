from pathlib import Path

from agent.config.load import load_config
from agent.demo import config
from agent.rollup.tree import balances_of
from simulators.plant import load_plant

PLACES = {
    "boiler-1": ("tcp://127.0.0.1:5020", 1),
    "motor-1": ("tcp://127.0.0.1:5020", 2),
    "motor-2": ("tcp://127.0.0.1:5020", 3),
    "main-meter": ("rtu+tcp://127.0.0.1:5021", 4),
}


def test_the_file_the_demo_writes_is_a_right_configuration_of_the_served_plant(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    path.write_text(config.text(PLACES, mqtt_port=1883, http_port=8081, store_size="1MiB"), encoding="utf-8")
    loaded = load_config(path)

    lines = {line.name: line.url for line in loaded.lines}
    assert {device.name: (lines[device.line], device.unit) for device in loaded.devices} == PLACES
    assert (loaded.mqtt is not None, loaded.http is not None) == (True, True)
    assert loaded.interval.length == 10.0


def test_the_demo_balances_what_comes_in_against_what_the_motors_take(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    path.write_text(config.text(PLACES, mqtt_port=1883, http_port=8081, store_size="1MiB"), encoding="utf-8")
    loaded = load_config(path)
    plant = loaded.plant()

    (balance,) = balances_of(loaded.balances, loaded.devices, plant.accounts)
    assert balance.name == "site/electricity"
    assert {flow.account for flow in balance.metered} == {"motor-1/electricity", "motor-2/electricity"}


def test_the_demo_reads_exactly_what_the_built_in_plant_has(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    path.write_text(config.text(PLACES, mqtt_port=1883, http_port=8081, store_size="1MiB"), encoding="utf-8")
    loaded = load_config(path)
    description = load_plant()

    served = {entry.name: entry.profile for entry in description.devices}
    assert {device.name: device.profile for device in loaded.devices} == served
    plant = loaded.plant()
    assert {account.carrier for account in plant.accounts} == {"natural_gas", "electricity"}
    assert [made.name for made in plant.outputs] == ["steam"]
