"""The published schemas: valid by themselves, true of what the agent says, and false of what it must not say."""

import asyncio
import json
import math
import re
import struct
import tomllib
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from agent import service
from agent.cli import main
from agent.commands.parser import SCHEMAS
from agent.config.load import load_config
from agent.figure import NOW, Figure
from agent.figures import Figures
from agent.polling.polled import DeviceState
from agent.presence import post_meta, post_status
from agent.record import CHAINED, rfc3339
from agent.schemas import DOCUMENTS
from agent.schemas.classes import CHANNELS, MESSAGES
from agent.sections.measure import bytes_text, seconds, seconds_text
from agent.service import Agent
from agent.state import snapshot
from agent.store import record_hash
from agent.store.losses import Losses
from agent.timekeeping import Clocks, Timekeeper
from drivers.frame import Frame
from drivers.reading import Quality

START_NS = 1_795_161_601_250_000_000
"""Not long after a full minute."""
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "energy-agent.example.toml"
Body = dict[str, Any]
SITE = """[site]
name = "hefei-works"
electricity_region = "CN-AH"

[store]
path = "store.db"

[[line]]
name = "boiler-house"
url = "tcp://127.0.0.1:5020"

[[device]]
name = "boiler-1"
area = "boiler-house"
line = "boiler-house"
unit = 1
profile = "generic/steam-boiler"
every = "5s"
rated_power = "700 kW"

[[device]]
name = "main-meter"
area = "substation"
line = "boiler-house"
unit = 2
profile = "eastron/sdm630"
every = "5s"
meters = "site"

[[device.calibration]]
certificate = "DL-2026-00417"
by = "Anhui Institute of Metrology"
accuracy_class = "0.5S"
valid_until = 2029-03-09

[[account]]
name = "main-meter/integrated"
device = "main-meter"
carrier = "electricity"
from = "active_power"

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"

[[intensity]]
name = "steam"
accounts = ["boiler-1/natural_gas", "main-meter/electricity"]
per = "steam"

[[virtual]]
name = "boiler-1/half"
share = { of = "boiler-1/natural_gas", factor = 0.5 }

[windows]
spans = ["1min"]

[interval]
length = "1min"

[mqtt]
url = "mqtt://127.0.0.1:1883"
"""
# The interval record the outside relies on, with a version, an epoch and hashes filled in.
RECORD: Body = json.loads(
    """
{"schema":"energy-agent/interval/1","site":"hefei-works","area":"boiler-house","device":"boiler-1",
 "account":"boiler-1/natural_gas","start":"2026-11-20T08:00:00Z","end":"2026-11-20T08:15:00Z","revision":0,
 "amount":412.5,"unit":"Nm3","energy_kwh":4460.8,"kgce":547.9,"scope":1,"co2_kg":891.9,
 "coverage":0.998,"estimated":0.0,"quality":"good",
 "evidence":{"open":{"time":"2026-11-20T08:00:00Z","raw":1234500,"registers":"0012d644"},
  "close":{"time":"2026-11-20T08:15:00Z","raw":1238625,"registers":"0012e661"},"rules":["normal"]},
 "factor":{"set":"GB/T 32151.34-2024","id":"natural_gas","version":"sha256:11aa"},
 "seq":81234,"epoch":"5f0c1d2e","previous":"sha256:2222222222222222222222222222222222222222222222222222222222222222",
 "hash":"sha256:3333333333333333333333333333333333333333333333333333333333333333"}
"""
)
TELEMETRY: Body = json.loads("""
{"schema":"energy-agent/telemetry/1","site":"hefei-works","area":"substation","device":"main-meter",
 "time":"2026-11-20T08:00:00.000000Z","seq":7,"epoch":"5f0c1d2e","values":{"active_power_kw":231.5},
 "quality":{"active_power_kw":"uncertain:stale"}}
""")


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(DOCUMENTS[name]())


def faults(name: str, body: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(body)]


def name_of(body: Body) -> str:
    return str(body["schema"]).removeprefix("energy-agent/").removesuffix("/1")


def frame(agent: Agent, device: str, second: int, said: dict[str, tuple[float, bytes]]) -> Frame:
    profile = agent.config.profiles[device]
    values, quality = np.full(len(profile.points), math.nan), np.full(len(profile.points), Quality.NOT_READ, np.uint8)
    raw = {}
    for word, (value, registers) in said.items():
        index = profile.index[word]
        values[index], quality[index] = value, Quality.GOOD
        if registers:
            raw[index] = registers
    quality[profile.index["ambient_temperature" if device == "boiler-1" else "frequency"]] = Quality.NOT_AVAILABLE
    return Frame(device, START_NS + second * 10**9, second * 10**9, values, quality, raw)


class SomeFigures:
    """A figure of a device with all it can have, and one of an area and of the site that lack something."""

    def figures(self, time_ns: int) -> tuple[Figure, ...]:
        inputs = {"heat_gj": 2.58, "gas_volume_nm3": 78.3}
        norm = "GB/T 10180-2017"
        return (
            Figure(
                "boiler_efficiency_direct", "boiler-house/boiler-1", "15min", time_ns, "%", 92.1, norm, inputs,
                coverage=0.99, estimated=0.1, unverified=True,
            ),
            Figure("pue", "boiler-house", "1h", time_ns, "", None, missing=("main-meter/electricity",), coverage=0.0),
            Figure("demand", "agent", NOW, time_ns, "kW", 120.0),
        )  # fmt: skip


def run_a_plant(agent: Agent) -> None:
    """Book two minutes of a meter, and of a boiler whose gas counter starts anew after one; then lose the boiler."""
    boiler, meter = agent.pollers[0].devices
    for second in range(0, 125, 5):
        gas = 1234500 + second // 5 if second < 60 else second // 5 - 12
        steam = 5000000 + second * 7 // 25
        boiler_says = {
            "gas_volume": (gas / 10, gas.to_bytes(4)),
            "steam_mass": (steam / 1000, steam.to_bytes(4)),
            "running": (1.0, b""),
        }
        energy = 1000 + second / 8
        meter_says = {"active_energy_import": (energy, struct.pack(">f", energy)), "active_power": (450.0, b"")}
        agent.recorder.frame(boiler, boiler.cadences[0], frame(agent, "boiler-1", second, boiler_says))
        agent.recorder.frame(meter, meter.cadences[0], frame(agent, "main-meter", second, meter_says))
        agent.ledger.tick(START_NS + second * 10**9)
    agent.bookkeeper.close_due(START_NS + 300 * 10**9)
    agent.recorder.figures = Figures([SomeFigures()])
    list(agent.recorder.publish_windows())
    boiler.state, boiler.reason, boiler.since_ns = DeviceState.OFFLINE, "no reply in 1 s", START_NS
    agent.recorder.device_state(boiler)


async def messages(folder: Path) -> list[Body]:
    """Return everything the agent says about itself and a small plant, as it goes to subscribers."""
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        right = Clocks(START_NS, 0, 10**15, synchronised=True)
        patch.setattr(
            service, "timekeeper", lambda: Timekeeper(lambda: right, boot="0fc1ab19-2917-4fa3-b5d5-68474561326f")
        )
        agent = Agent(load_config(folder / "site.toml"))
    agent.keeper.look()
    agent.recorder.begin()
    await agent.store.open()
    try:
        post_meta(agent.board, agent.config, agent.ledger, START_NS)
        post_status(agent.board, agent.config.site.name, "online", agent.keeper)
        run_a_plant(agent)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(agent.keeper, "now_ns", lambda: START_NS + 300 * 10**9)
            while await agent.derived.turn():
                pass
        agent.recorder.health(snapshot.health(agent.snapshot()))
        lost = Losses()
        lost.add(3, 9, {"telemetry": 5, "window": 1}, "store full")
        agent.store.append("gap", "agent", START_NS, {"site": "hefei-works", **lost.body(START_NS)})
        prove(agent)
        await agent.store.flush()
        records = await agent.store.peek("mqtt", 10_000)
        retained = [payload for _, payload in agent.board.since(0)[1]]
        return [json.loads(payload) for payload in [*retained, *(record.payload for record in records)]]
    finally:
        await agent.store.close()


def prove(agent: Agent) -> None:
    """Add evidence with all it can have, and a seal; the keys are those the agent gives them."""
    place = {"site": "hefei-works", "time": rfc3339(START_NS)}
    digest, key = "sha256:" + "5" * 64, f"ed25519:{'A' * 43}="
    every = {
        "what": "capture", "name": "hefei-works", "digest": digest, "size": 1, "version": "0.1.0", "file": "own.toml",
        "python": "3.12.1", "packages": {"numpy": "2.3.0"}, "public_key": key, "first": place["time"],
        "last": place["time"], "exchanges": 9, "seal": digest, "token": "MIIC",
    }  # fmt: skip
    agent.store.append("evidence", "agent", START_NS, {"schema": "energy-agent/evidence/1", **place, **every})
    over = {"from_seq": 1, "to_seq": 9, "count": 4, "root": digest, "head": digest, "previous_seal": digest}
    agent.store.sign_with(lambda _: "A" * 86 + "==")
    agent.store.append("seal", "agent", START_NS, {"schema": "energy-agent/seal/1", **place, **over, "public_key": key})


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[Body]:
    return asyncio.run(messages(tmp_path_factory.mktemp("site")))


def example_of(said: list[Body], name: str) -> Body:
    return deepcopy(next(body for body in said if name_of(body) == name))


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "asyncapi"])
def test_every_schema_is_valid_by_itself(name: str) -> None:
    schema = DOCUMENTS[name]()

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_document_can_be_asked_for() -> None:
    assert set(SCHEMAS) == set(DOCUMENTS)


def test_the_command_prints_every_schema_it_offers(capsys: pytest.CaptureFixture[str]) -> None:
    for name in SCHEMAS:
        assert main(["schema", name]) == 0
        assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(DOCUMENTS[name]()))


def test_everything_the_agent_says_follows_its_schema(said: list[Body]) -> None:
    assert {name_of(body) for body in said} == set(MESSAGES)
    assert not [fault for body in said for fault in faults(name_of(body), body)]


def test_the_schemas_know_every_key_the_agent_says(said: list[Body]) -> None:
    """Keys may be added, but not without being described."""
    for body in said:
        name = name_of(body)
        closed = Draft202012Validator(without_extras(DOCUMENTS[name]()))
        assert not [error.message for error in closed.iter_errors(body)], name


def without_extras(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: False if key == "additionalProperties" and value is True else without_extras(value)
            for key, value in schema.items()
        }
    return [without_extras(entry) for entry in schema] if isinstance(schema, list) else schema


def test_the_plant_says_what_is_rare_too(said: list[Body]) -> None:
    """Else the tests above would prove little."""
    evidence = [body["evidence"] for body in said if name_of(body) == "interval"]

    assert any("decisions" in entry for entry in evidence)
    assert any("open" not in entry for entry in evidence)
    assert any("registers" not in reading for entry in evidence for key, reading in entry.items() if key == "close")
    assert {"account", "intensity"} <= {key for body in said if name_of(body) == "window" for key in body}


@pytest.mark.parametrize(("name", "body"), [("interval", RECORD), ("telemetry", TELEMETRY)])
def test_what_is_agreed_with_the_outside_follows_the_schema(name: str, body: Body) -> None:
    assert not faults(name, body)


@pytest.mark.parametrize("name", MESSAGES)
def test_keys_may_be_added(said: list[Body], name: str) -> None:
    assert not faults(name, example_of(said, name) | {"invented_later": {"x": [1, None]}})


@pytest.mark.parametrize("name", MESSAGES)
def test_every_key_that_is_required_is_missed(said: list[Body], name: str) -> None:
    body = example_of(said, name)
    schema = DOCUMENTS[name]()
    required = schema["required"] if "required" in schema else schema["$defs"]["AccountWindow"]["required"]

    assert {"schema", "site"} <= set(required)
    for key in required:
        assert faults(name, {given: value for given, value in body.items() if given != key}), key


Change = Callable[[Body], object]
WRONG: list[tuple[str, str, Change]] = [
    ("telemetry", "no number", lambda body: body["values"].update(active_power_kw=None)),
    ("telemetry", "a text among the values", lambda body: body["values"].update(active_power_kw="231.5")),
    ("telemetry", "a switch among the values", lambda body: body["values"].update(running=True)),
    ("telemetry", "a key with capitals", lambda body: body["values"].update(Power=1)),
    ("telemetry", "quality of what is good", lambda body: body.update(quality={"active_power_kw": "good"})),
    ("telemetry", "another version", lambda body: body.update(schema="energy-agent/telemetry/2")),
    ("telemetry", "a time without zone", lambda body: body.update(time="2026-11-20T08:00:00.000000")),
    ("telemetry", "a time with another zone", lambda body: body.update(time="2026-11-20T16:00:00.000000+08:00")),
    ("telemetry", "milliseconds", lambda body: body.update(time="2026-11-20T08:00:00.000Z")),
    ("telemetry", "a number of record that is none", lambda body: body.update(seq=0)),
    ("window", "tags of both kinds", lambda body: body.update(intensity="steam")),
    ("window", "more than all measured", lambda body: body.update(coverage=1.1)),
    ("figure", "neither a value nor what is missing", lambda body: body.pop("value")),
    ("figure", "a device without area", lambda body: body.pop("area")),
    ("figure", "an input without number", lambda body: body["inputs"].update(heat_gj=None)),
    ("interval", "an infinite amount as text", lambda body: body.update(amount="Infinity")),
    ("interval", "a hash that is none", lambda body: body.update(hash="sha256:12")),
    ("interval", "CO2 without scope", lambda body: body.pop("scope")),
    ("interval", "registers without their number", lambda body: body["evidence"]["close_next"].pop("raw")),
    ("interval", "half a byte", lambda body: body["evidence"]["close_next"].update(registers="0012d64")),
    ("interval", "no rules", lambda body: body["evidence"].pop("rules")),
    ("interval", "a revision before the first", lambda body: body.update(revision=-1)),
    ("rollup", "another period", lambda body: body.update(period="year")),
    ("rollup", "nothing it comes from", lambda body: body.pop("source")),
    ("state", "an unknown state", lambda body: body.update(state="sleeping")),
    ("status", "an unknown state", lambda body: body.update(state="degraded")),
    ("alarm", "an area without device", lambda body: body.pop("device")),
    ("alarm", "an unknown severity", lambda body: body.update(severity="bad")),
    ("meta", "an unknown kind of quantity", lambda body: body["quantities"]["gas_volume_nm3"].update(kind="sum")),
    ("health", "a negative count", lambda body: body["lines"][0].update(requests=-1)),
    ("gap", "kinds without their number", lambda body: body.update(kinds=["telemetry"])),
    ("evidence", "of nothing known", lambda body: body.update(what="hearsay")),
    ("seal", "a key of another kind", lambda body: body.update(public_key="rsa:AAAA")),
    ("seal", "a signature cut short", lambda body: body.update(signature="AAAA")),
    ("event", "null for what is missing", lambda body: body.update(account=None)),
]


@pytest.mark.parametrize(("name", "change"), [pytest.param(n, c, id=f"{n}: {why}") for n, why, c in WRONG])
def test_what_is_wrong_is_refused(said: list[Body], name: str, change: Change) -> None:
    body = example_of(said, name)
    assert not faults(name, body)

    change(body)

    assert faults(name, body)


def test_nothing_that_is_not_finite_can_be_said() -> None:
    """JSON has no NaN: what an encoder makes of it is refused, and so is the number itself by the model."""
    for wrong in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            MESSAGES["telemetry"].model_validate(TELEMETRY | {"values": {"active_power_kw": wrong}})
        with pytest.raises(ValueError, match="finite"):
            MESSAGES["interval"].model_validate(RECORD | {"amount": wrong})


def test_every_key_of_a_message_is_explained() -> None:
    silent = {
        "schema",
        "process",
        "lines",
        "devices",
        "sinks",
        "store",
        "capture",
        "evidence",
    }  # explained where they are defined
    for name in MESSAGES:
        for schema in (DOCUMENTS[name](), *DOCUMENTS[name]().get("$defs", {}).values()):
            for key, described in schema.get("properties", {}).items():
                assert key in silent or described["description"].rstrip().endswith("."), f"{name}: {key}"


@pytest.fixture
def file() -> Body:
    return tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


def test_the_example_configuration_follows_the_schema(file: Body) -> None:
    assert not faults("config", file)


WRONG_FILES: list[tuple[str, Change]] = [
    ("an unknown table", lambda file: file.update(sink={})),
    ("an unknown key", lambda file: file["site"].update(nmae="x")),
    ("an unknown key in a list", lambda file: file["device"][0].update(evry="1s")),
    ("no site", lambda file: file.pop("site")),
    ("no name", lambda file: file["site"].pop("name")),
    ("no line", lambda file: file.update(line=[])),
    ("no device", lambda file: file.pop("device")),
    ("a table where there are many", lambda file: file.update(line=file["line"][0])),
    ("a duration without unit", lambda file: file["store"].update(commit_every=1)),
    ("a duration of nothing", lambda file: file["store"].update(commit_every="0.0s")),
    ("a size in an unknown unit", lambda file: file["store"].update(max_size="1GiBit")),
    ("a power in an unknown unit", lambda file: file["device"][0].update(rated_power="700 kVA")),
    ("a unit that Modbus does not know", lambda file: file["device"][0].update(unit=256)),
    ("the inner name of a key", lambda file: file["account"][0].update(source=file["account"][0].pop("from"))),
]


@pytest.mark.parametrize("change", [pytest.param(change, id=why) for why, change in WRONG_FILES])
def test_a_wrong_configuration_is_refused(file: Body, change: Change) -> None:
    change(file)

    assert faults("config", file)


def test_defaults_of_the_configuration_follow_their_own_schema() -> None:
    shown = {}
    for section, schema in DOCUMENTS["config"]()["$defs"].items():
        for key, described in schema["properties"].items():
            if "default" in described:
                jsonschema.validate(described["default"], described)
                shown[section, key] = described["default"]

    assert shown["IntervalSection", "length"] == "15min"
    assert shown["StoreSection", "max_size"] == "1GiB"
    assert shown["StoreSection", "commit_every"] == "1s"
    assert not any(value is None for value in shown.values())


@pytest.mark.parametrize("text", ["1ms", "20ms", "1s", "90s", "15min", "36h", "7d"])
def test_a_duration_is_written_as_it_was_read(text: str) -> None:
    assert seconds_text(seconds(text)) == text


@pytest.mark.parametrize(("size", "text"), [(2**30, "1GiB"), (10**9, "1GB"), (1_500_001, "1500001B"), (0.5, "0.5B")])
def test_a_size_is_written_in_its_largest_whole_unit(size: float, text: str) -> None:
    assert bytes_text(size) == text


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for entry in node:
            yield from references(entry)


def resolved(document: Body, reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return resolved(document, node["$ref"]) if "$ref" in node else node


def test_asyncapi_has_one_channel_for_each_class_of_device_and_agent() -> None:
    document = DOCUMENTS["asyncapi"]()
    addresses = [channel["address"] for channel in document["channels"].values()]

    assert document["asyncapi"] == "3.0.0"
    assert sorted(addresses) == sorted(
        [f"{{root}}/{{site}}/{{area}}/{{device}}/{end}" for end in ("meta", "state", "telemetry", "window", "interval")]
        + [f"{{root}}/{{site}}/{{area}}/{{device}}/{end}" for end in ("rollup", "figure", "event", "alarm/{alarm}")]
        + ["{root}/{site}/{area}/figure"]
        + [f"{{root}}/{{site}}/agent/{end}" for end in ("status", "health", "gap", "window", "figure", "event")]
        + [f"{{root}}/{{site}}/agent/{end}" for end in ("evidence", "seal", "alarm/{alarm}")]
    )
    assert {channel.message for channel in CHANNELS} == set(MESSAGES)


def test_asyncapi_channels_describe_exactly_their_parameters() -> None:
    for channel in DOCUMENTS["asyncapi"]()["channels"].values():
        assert set(channel["parameters"]) == set(re.findall(r"\{(\w+)\}", channel["address"]))


def test_every_reference_of_asyncapi_resolves() -> None:
    document = DOCUMENTS["asyncapi"]()
    found = set(references(document))

    assert len(found) > len(CHANNELS)
    for reference in found:
        assert reference.startswith("#/")
        assert resolved(document, reference)


def test_every_channel_of_asyncapi_is_sent_to_as_the_broker_sees_it() -> None:
    document = DOCUMENTS["asyncapi"]()
    kept = set()
    for operation in document["operations"].values():
        assert operation["action"] == "send"
        assert operation["bindings"]["mqtt"]["qos"] == 1
        channel = resolved(document, operation["channel"]["$ref"])
        assert [resolved(document, entry["$ref"]) for entry in operation["messages"]] == [
            resolved(document, entry["$ref"]) for entry in channel["messages"].values()
        ]
        if operation["bindings"]["mqtt"]["retain"]:
            kept.add(channel["address"].rpartition("}/")[2].removesuffix("/{alarm}"))

    assert len(document["operations"]) == len(document["channels"])
    assert kept == {"meta", "state", "alarm", "{alarm}", "agent/status", "agent/seal", "agent/alarm"} - {"{alarm}"}


def test_messages_of_asyncapi_mean_the_same_as_the_schemas(said: list[Body]) -> None:
    document = DOCUMENTS["asyncapi"]()
    for name in MESSAGES:
        payload = document["components"]["messages"][name]["payload"]
        whole = Draft202012Validator({**payload, "components": document["components"]})
        assert whole.is_valid(example_of(said, name)), name
        assert not whole.is_valid({"schema": f"energy-agent/{name}/1"}), name


@pytest.mark.parametrize("page", ["messages.md", "messages.zh-CN.md"])
def test_every_example_of_the_documentation_follows_its_schema(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]

    assert {name_of(example) for example in examples} == set(MESSAGES)
    for example in examples:
        assert not faults(name_of(example), example)
        assert name_of(example) not in CHAINED or example["hash"] == record_hash(example)


def test_both_languages_of_the_documentation_show_the_same_examples() -> None:
    blocks = [
        re.findall(r"```.*?```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
        for page in ("messages.md", "messages.zh-CN.md")
    ]

    assert blocks[0] == blocks[1]
