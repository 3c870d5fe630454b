import os
from pathlib import Path

import pytest

from agent.polling.polled import DeviceState, PolledDevice
from agent.service import Agent
from agent.state import snapshot
from drivers.errors import LineError, NoReply
from drivers.plan import plan
from drivers.reading import Block, Exchange
from tests.agent.frames import SITE, configured, exchange

METER = """[[device]]
name = "main-meter"
area = "substation"
line = "hall"
unit = 3
profile = "eastron/sdm630"
"""


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(configured(tmp_path, SITE + METER))


def polled_by(agent: Agent, time_ns: int, *, fast: str, slow: str) -> PolledDevice:
    """Return the meter after a fast poll at a time and a slow one ten seconds before; all registers hold the same."""
    (poller,) = agent.pollers
    (device,) = poller.devices
    for cadence, content, at_ns in zip(device.cadences, (fast, slow), (time_ns, time_ns - 10**10), strict=True):
        results: dict[Block, Exchange | LineError] = {
            block: exchange(block, bytes.fromhex(content) * (block.count // 2), at_ns) for block in cadence.blocks
        }
        device.frames[cadence.index] = cadence.codec.decode("main-meter", results)
    return device


def test_a_device_shows_the_latest_of_all_its_cadences_together(agent: Agent) -> None:
    device = polled_by(agent, 10**18, fast="3f800000", slow="40000000")
    device.state = DeviceState.ONLINE

    shown = snapshot.device(agent.config.devices[0], device)

    assert shown["values"]["frequency_hz"] == 1.0
    assert shown["values"]["voltage_thd_l1_percent"] == 2.0
    assert shown["time"] == "2001-09-09T01:46:40.000000Z"
    assert (shown["device"], shown["state"], shown["line"], shown["unit"]) == ("main-meter", "online", "hall", 3)


def test_a_device_that_is_offline_shows_no_values(agent: Agent) -> None:
    device = polled_by(agent, 10**18, fast="3f800000", slow="40000000")
    device.state, device.reason, device.since_ns = DeviceState.OFFLINE, "no reply", 10**18

    shown = snapshot.device(agent.config.devices[0], device)

    assert "values" not in shown
    assert (shown["reason"], shown["since"]) == ("no reply", "2001-09-09T01:46:40.000000Z")


def test_what_could_not_be_read_keeps_its_quality(agent: Agent) -> None:
    device = polled_by(agent, 10**18, fast="3f800000", slow="40000000")
    device.state = DeviceState.DEGRADED
    slow = device.cadences[1]
    lost = NoReply("no reply", exchange(slow.blocks[0], b"", 10**18 + 1))
    device.frames[1] = slow.codec.decode("main-meter", dict.fromkeys(slow.blocks, lost))

    shown = snapshot.device(agent.config.devices[0], device)

    assert shown["quality"]["voltage_thd_l1_percent"] == "bad:comm_lost"
    assert shown["values"]["frequency_hz"] == 1.0


def test_a_line_says_how_busy_and_how_late_it_was(agent: Agent) -> None:
    (poller,) = agent.pollers
    poller.line.stats.busy_ns = 25 * 10**8
    poller.line.stats.requests = 7
    for late_s in (0.001, 0.003):
        poller.lateness.add(late_s)

    shown = snapshot.line(poller, 10.0)

    assert (shown["utilisation"], shown["requests"], shown["up"]) == (0.25, 7, True)
    assert (shown["lateness_mean_ms"], shown["lateness_max_ms"]) == (2.0, 3.0)
    poller._standing.down_reason = "cannot connect"
    assert snapshot.line(poller, 10.0)["up"] is False


def test_the_process_is_this_one() -> None:
    shown = snapshot.process()

    assert shown["pid"] == os.getpid()
    assert shown["resident_bytes"] > 1_000_000
    assert shown["cpu_s"] > 0


def test_health_leaves_values_and_texts_out(agent: Agent) -> None:
    state = agent.snapshot()
    body = snapshot.health(state)

    assert {entry["device"] for entry in body["devices"]} == {"main-meter"}
    assert not {"values", "reason"} & {key for entry in body["devices"] for key in entry}
    assert body["store"]["committed_seq"] == 0


def test_the_plan_of_a_device_is_that_of_its_cadence(agent: Agent) -> None:
    (poller,) = agent.pollers

    assert poller.devices[0].planned == plan(agent.config.profiles["main-meter"], every_s=1.0)


def test_an_account_shows_the_figures_of_its_last_interval_without_the_evidence(agent: Agent) -> None:
    name = "main-meter/electricity"
    assert "interval" not in snapshot.accounts(agent.ledger, {})[0]

    body = {"start": "2026-11-20T08:00:00.000000Z", "amount": 1.5, "energy_kwh": 1.5, "co2_kg": 0.9, "coverage": 1.0,
            "quality": "good", "evidence": {"rules": ["normal"]}}  # fmt: skip
    (shown,) = snapshot.accounts(agent.ledger, {name: body})

    assert shown["account"] == name
    assert shown["interval"] == {key: value for key, value in body.items() if key != "evidence"}


def test_what_was_not_renewed_for_three_of_its_cadences_is_stale_and_what_was_is_not(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = polled_by(agent, 10**18, fast="3f800000", slow="40000000")
    device.state = DeviceState.ONLINE
    fast, slow = (round(3 * cadence.every_s * 1e9) for cadence in device.cadences)
    assert fast < slow - 10**10

    def qualities(after_ns: int) -> set[str]:
        monkeypatch.setattr("time.monotonic_ns", lambda: 10**18 + after_ns)
        shown = snapshot.device(agent.config.devices[0], device)
        assert shown["values"]["frequency_hz"] == 1.0
        return {shown["quality"].get(key, "good") for key in ("frequency_hz", "voltage_thd_l1_percent")}

    assert qualities(fast) == {"good"}
    assert qualities(fast + 1) == {"good", "uncertain:stale"}
    assert qualities(slow + 1) == {"uncertain:stale"}


def test_of_what_is_worked_out_the_last_interval_is_shown_with_its_rest() -> None:
    body = {"unit": "kWh", "start": "2026-11-20T03:30:00Z", "amount": 126.0, "rest_amount": 15.0, "virtual": ["a/b"]}
    (shown,) = snapshot.worked_out({"site/electricity": body})
    assert (shown["account"], shown["unit"]) == ("site/electricity", "kWh")
    assert shown["interval"] == {"start": "2026-11-20T03:30:00Z", "amount": 126.0, "rest_amount": 15.0}
