"""Every reason to doubt a value: from the device to the receivers, to windows and to intervals, in the same words."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from agent.config import SiteConfig
from agent.record import Record
from agent.sinks.influx.lines import line
from drivers.reading import Quality
from tests.agent.commands.test_run import running
from tests.agent.desk import START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured, frame
from tests.modbus_rig import Chunk, Request, rig
from tests.servers import Broker, Database, Subscriber, running_mosquitto, running_victoria_metrics

OF_AMOUNTS = {Quality.ESTIMATED, Quality.INCOMPLETE, Quality.MANUAL, Quality.NOT_ENTERED}
REASONS = [quality for quality in Quality if quality not in {Quality.GOOD, Quality.NOT_READ, *OF_AMOUNTS}]
COUNTER = "active_energy_import_kwh"


@pytest.fixture
def config(tmp_path: Path) -> SiteConfig:
    return configured(tmp_path, SITE + DEVICES)


def shown(desk: Desk, after_s: int, quality: Quality) -> None:
    """Have the fan polled, with one quality for all that it gives."""
    read = frame("fan-1", desk.profile, {0x0010: f"{1000 + after_s:08x}"}, START + after_s * S)
    read.quality[:] = quality
    if not quality.has_value:
        read.values[:] = np.nan
    desk.now_ns = read.monotonic_ns
    desk.recorder.frame(desk.fan, desk.fast, read)
    desk.ledger.tick(read.monotonic_ns)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_stands_in_telemetry_window_and_interval_and_as_its_number_in_the_database(
    config: SiteConfig, reason: Quality
) -> None:
    desk = Desk(config)
    shown(desk, 0, Quality.GOOD)
    for after_s in range(10, 200, 10):
        shown(desk, after_s, reason)
    list(desk.recorder.publish_windows())
    desk.bookkeeper.close_due(START + 400 * S)

    telemetry = desk.store.bodies("telemetry")[-1]
    assert telemetry["quality"][COUNTER] == reason.label
    assert (COUNTER in telemetry["values"]) is reason.has_value
    window = next(body for body in desk.store.bodies("window") if body.get("account") == "fan-1/electricity")
    interval = desk.store.bodies("interval")[1]
    assert (window["span"], window["quality"], interval["quality"]) == ("1min", reason.label, reason.label)
    for kind, body, name in (("telemetry", telemetry, f"quality_{COUNTER}"), ("window", window, "quality"),
                             ("interval", interval, "quality")):  # fmt: skip
        written = line(Record(1, kind, "hall/fan-1", 1, orjson.dumps(body))) or ""
        assert f"{name}={float(reason)}" in written.split(" ")[1].split(",")


def test_what_is_good_needs_no_word_and_an_interval_says_it(config: SiteConfig) -> None:
    desk = Desk(config)
    for after_s in range(0, 100, 10):
        shown(desk, after_s, Quality.GOOD)
    list(desk.recorder.publish_windows())
    desk.bookkeeper.close_due(START + 80 * S)

    assert "quality" not in desk.store.bodies("telemetry")[-1]
    assert "quality" not in desk.store.bodies("window")[0]
    assert desk.store.bodies("interval")[0]["quality"] == "good"


def test_values_read_by_a_clock_that_nobody_vouches_for_say_so(config: SiteConfig) -> None:
    desk = Desk(config)
    shown(desk, 0, Quality.GOOD)
    desk.synchronised = False
    desk.keeper.look()
    shown(desk, 10, Quality.GOOD)
    shown(desk, 20, Quality.OUT_OF_RANGE)

    first, second, third = (body.get("quality", {}) for body in desk.store.bodies("telemetry"))
    assert first == {}
    assert {*second.values()} == {"uncertain:clock_unsynced"}
    assert {*third.values()} == {"bad:out_of_range"}


def test_of_a_device_that_gives_nothing_a_new_reason_is_recorded_and_the_same_is_not(config: SiteConfig) -> None:
    desk = Desk(config)
    reasons = [Quality.COMM_LOST, Quality.COMM_LOST, Quality.IDENTITY_MISMATCH, Quality.IDENTITY_MISMATCH]
    for at, reason in enumerate([*reasons, Quality.COMM_LOST]):
        shown(desk, 10 * at, reason)

    found = [body["quality"][COUNTER] for body in desk.store.bodies("telemetry")]
    assert found == ["bad:comm_lost", "bad:identity_mismatch", "bad:comm_lost"]


# ---- from a device to the receivers

PROFILE = """
model = "one point for each reason"
kind = "sensor"
source = "defined by this test"
function = 3
type = "uint16"
max_gap = 0

[identity]
address = 500
count = 1
expect = "0001"

[points]
temperature = { address = 0, unit = "°C" }
pressure    = { address = 1, unit = "kPa", range = [0, 10] }
humidity    = { address = 2, unit = "%", missing = [0xFFFF] }
frequency   = { address = 3, unit = "Hz", type = "bcd16" }
speed       = { address = 100, unit = "rpm" }
voltage     = { address = 200, unit = "V" }
"""
PLANT = """[site]
name = "works"

[store]
path = "store.db"
commit_every = "100ms"

[mqtt]
url = "{broker}"
telemetry_every = "1s"

[influx]
url = "{database}"
org = "works"

[[line]]
name = "hall"
url = "{line}"
timeout = "200ms"
"""
POLLED = """
[[device]]
name = "{name}"
area = "hall"
line = "hall"
unit = {unit}
profile = "reasons.toml"
every = "200ms"
"""
EXPECTED = {
    "pressure_kpa": Quality.OUT_OF_RANGE,
    "humidity_percent": Quality.NOT_AVAILABLE,
    "frequency_hz": Quality.INVALID,
    "speed_rpm": Quality.NO_SUCH_ADDRESS,
    "voltage_v": Quality.COMM_LOST,
}


def answers(request: Request) -> Iterable[Chunk]:
    """Answer as unit 1 with a reason for each point, and as unit 2 that is another device."""
    if request.address == 500:
        return [(0, request.reply([request.unit]))]
    if request.address == 100:
        return [(0, request.refusal(2))]
    if request.address == 200:
        return []
    held = [21, 11, 0xFFFF, 0xAAAA]
    return [(0, request.reply(held[request.address : request.address + request.count]))]


def telemetry_of(subscriber: Subscriber, device: str) -> list[dict[str, Any]]:
    topic = f"energy/works/hall/{device}/telemetry"
    return [orjson.loads(message.payload) for message in subscriber.messages if message.topic == topic]


async def kept(database: Database, name: str) -> set[float]:
    async with asyncio.timeout(20):
        while not (found := await asyncio.to_thread(database.by_time, name)):  # noqa: ASYNC110 -- it is asked, not heard
            await asyncio.sleep(0.2)
    return {*found.values()}


async def reached(
    folder: Path, broker: Broker, database: Database
) -> tuple[list[dict[str, Any]], dict[str, set[float]]]:
    """Return the last telemetry of both devices at a subscriber, and the qualities in the database by key."""
    (folder / "reasons.toml").write_text(PROFILE, encoding="utf-8")
    async with rig("tcp", answers) as device, broker.subscriber("energy/#") as subscriber:
        text = PLANT.format(broker=broker.url, database=database.url, line=device.url)
        path = folder / "site.toml"
        path.write_text(text + POLLED.format(name="own", unit=1) + POLLED.format(name="strange", unit=2), "utf-8")
        async with running(path) as program:
            await subscriber.until(
                lambda _: (
                    bool(telemetry_of(subscriber, "strange"))
                    and any(len(body.get("quality", {})) >= len(EXPECTED) for body in telemetry_of(subscriber, "own"))
                )
            )
            stored = {key: await kept(database, f"telemetry_quality_{key}") for key in ("temperature_degc", *EXPECTED)}
            assert await program.end() == 0
        return [telemetry_of(subscriber, name)[-1] for name in ("own", "strange")], stored


@pytest.mark.integration
async def test_reasons_reach_a_subscriber_and_a_database_from_a_device_that_gives_them(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path) as broker, running_victoria_metrics(tmp_path) as database:
        (own, strange), stored = await reached(tmp_path, broker, database)

    assert own["values"] == {"temperature_degc": 21.0}
    assert own["quality"] == {key: quality.label for key, quality in EXPECTED.items()}
    assert strange["values"] == {}
    assert {*strange["quality"].values()} == {"bad:identity_mismatch"}
    assert stored["temperature_degc"] == {float(Quality.IDENTITY_MISMATCH)}
    for key, quality in EXPECTED.items():
        assert float(quality) in stored[key]
