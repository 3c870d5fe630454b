"""The small centre of deploy/centre: what can be known of it without starting its containers, and its real broker."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # its stubs would be a dependency for one call

from drivers.quantity import VOCABULARY
from tests.servers import free_port

CENTRE = Path(__file__).parent.parent / "deploy" / "centre"

# --- the centre


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def compose() -> dict[str, Any]:
    document: dict[str, Any] = read_yaml(CENTRE / "compose.yaml")
    return document


def test_the_centre_pins_its_images() -> None:
    for service in compose()["services"].values():
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+\.\d+", service["image"])


def test_the_centre_mounts_what_exists_and_declares_its_volumes() -> None:
    document = compose()
    for service in document["services"].values():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (CENTRE / source).is_dir(), source
            else:
                assert source in document["volumes"]


def test_the_centre_listens_on_this_machine_until_told_otherwise() -> None:
    for service in compose()["services"].values():
        for port in service["ports"]:
            assert port.startswith(("127.0.0.1:", "${CENTRE_ADDRESS:-127.0.0.1}:"))


def test_every_setting_of_the_centre_is_in_the_example_and_no_secret_is() -> None:
    example = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", (CENTRE / ".env.example").read_text()))
    used = set(re.findall(r"\$\{([A-Z_]+)", (CENTRE / "compose.yaml").read_text()))

    assert used == example.keys()
    assert not [name for name, value in example.items() if value and name.endswith(("PASSWORD", "TOKEN"))]


def test_git_does_not_take_the_secrets_of_the_centre() -> None:
    ignored = (CENTRE / ".gitignore").read_text().split()

    assert ignored == [".env", "mosquitto/passwords", "mosquitto/certs/"]


def test_the_readmes_of_the_centre_give_the_same_commands() -> None:
    english, chinese = (
        re.findall(r"(?m)^ +docker compose \S.*?(?=  |$)", (CENTRE / name).read_text(encoding="utf-8"))
        for name in ("README.md", "README.zh-CN.md")
    )

    assert len(english) >= 6
    assert english == chinese


def test_the_data_source_of_the_centre_is_the_database_that_compose_sets_up() -> None:
    (source,) = read_yaml(CENTRE / "grafana/provisioning/datasources/influxdb.yaml")["datasources"]
    services = compose()["services"]
    settings = services["influxdb"]["environment"]

    assert source["jsonData"]["defaultBucket"] == settings["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert source["jsonData"]["organization"] == settings["DOCKER_INFLUXDB_INIT_ORG"]
    assert source["secureJsonData"]["token"].strip("$") in services["grafana"]["environment"]


def test_the_board_lies_where_grafana_looks_for_it() -> None:
    (provider,) = read_yaml(CENTRE / "grafana/provisioning/dashboards/boards.yaml")["providers"]
    grafana = compose()["services"]["grafana"]
    folder = provider["options"]["path"]

    assert f"./grafana/boards:{folder}:ro" in grafana["volumes"]
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{folder}/energy.json"


# --- the board

TAGS = {"site", "area", "device", "account", "span"}
COLUMNS = {"_measurement", "_field", "_value", "_time"}
INTERVAL_FIELDS = {
    "amount",
    "energy_kwh",
    "kgce",
    "co2_kg",
    "co2_location_kg",
    "co2_market_kg",
    "coverage",
    "estimated",
}
FIELDS = {
    "telemetry": {quantity.key for quantity in VOCABULARY.values()},
    "interval": INTERVAL_FIELDS,
    "window": INTERVAL_FIELDS | {"mean_power_kw", "energy_kwh_per_t", "kgce_per_t", "co2_kg_per_t"},
}


def board() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CENTRE / "grafana/boards/energy.json").read_text(encoding="utf-8"))
    return document


def panel_queries() -> list[Any]:
    return [
        pytest.param(target["query"], id=panel["title"]) for panel in board()["panels"] for target in panel["targets"]
    ]


@pytest.mark.parametrize("query", panel_queries())
def test_a_panel_asks_for_what_the_agent_writes(query: str) -> None:
    assert query.startswith('from(bucket: "energy")\n  |> range(')
    (measurement,) = re.findall(r'r\._measurement == "(\w+)"', query)
    assert set(re.findall(r"\br\.(\w+)", query)) <= TAGS | COLUMNS
    assert set(re.findall(r'r\._field == "(\w+)"', query)) <= FIELDS[measurement]
    for pattern in re.findall(r"r\._field =~ /(.+?)/", query):
        assert any(re.search(pattern, field) for field in FIELDS[measurement])
    for columns in re.findall(r"columns: \[(.*?)\]", query):
        assert set(re.findall(r'"(\w+)"', columns)) <= TAGS | COLUMNS


def test_the_board_shows_power_energy_co2_intensity_coverage_and_age() -> None:
    text = " ".join(panel["title"] for panel in board()["panels"])

    for word in (
        "Power",
        "Energy",
        "CO₂",
        "Intensity",
        "Coverage",
        "Age",
        "功率",
        "用能",
        "碳排放",
        "强度",
        "完整率",
        "时效",
    ):
        assert word in text


def test_the_panels_of_the_board_use_its_data_source_and_do_not_overlap() -> None:
    (source,) = read_yaml(CENTRE / "grafana/provisioning/datasources/influxdb.yaml")["datasources"]
    cells: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        place = panel["gridPos"]
        mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in mine) < 24
        assert not mine & cells
        cells |= mine


def test_every_variable_a_panel_uses_can_be_chosen() -> None:
    variables = {entry["name"] for entry in board()["templating"]["list"]}
    used = set(re.findall(r"\$\{(\w+)\}", " ".join(str(query.values[0]) for query in panel_queries())))

    assert used == variables


# --- the broker of the centre


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """Run the centre's broker as configured, on a free port, with the accounts `centre` and `hefei-works`."""
    folder = tmp_path / "config"
    shutil.copytree(CENTRE / "mosquitto", folder)
    passwords = folder / "passwords"
    passwords.touch()
    for user in ("centre", "hefei-works"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, f"{user}-password"], check=True, timeout=30)
    port = free_port()
    configuration = folder / "mosquitto.conf"
    text = configuration.read_text().replace("/mosquitto/config", str(folder)).replace("/mosquitto/data", str(tmp_path))
    text = text.replace("listener 1883", f"listener {port} 127.0.0.1")
    # Started by root it would change to a user who cannot read this folder.
    configuration.write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
    process = subprocess.Popen(["mosquitto", "-c", configuration], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            assert process.poll() is None, process.communicate()[0].decode()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=30)


def client(program: str, port: int, user: str, password: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "-h", "127.0.0.1", "-p", str(port), "-u", user, "-P", password, "-V", "5", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def publish(port: int, user: str, password: str, topic: str) -> bool:
    done = client("mosquitto_pub", port, user, password, "-q", "1", "-r", "-t", topic, "-m", topic)
    return done.returncode == 0 and "Not authorized" not in done.stdout + done.stderr


@pytest.mark.integration
def test_a_site_writes_below_its_own_name_only_and_the_centre_reads_it(broker: int) -> None:
    mine, others = "energy/hefei-works/agent/status", "energy/other-works/agent/status"

    assert publish(broker, "hefei-works", "hefei-works-password", mine)
    publish(broker, "hefei-works", "hefei-works-password", others)
    received = client("mosquitto_sub", broker, "centre", "centre-password", "-t", "energy/#", "-W", "2")
    assert received.stdout.split() == [mine]


@pytest.mark.integration
def test_the_broker_of_the_centre_refuses_strangers(broker: int) -> None:
    assert not publish(broker, "hefei-works", "wrong", "energy/hefei-works/agent/status")
