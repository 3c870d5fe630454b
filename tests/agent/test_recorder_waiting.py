"""What the recorder does while the time is not known, and what comes of it then."""

from pathlib import Path
from typing import Any

import pytest

from agent.config import SiteConfig
from agent.polling.polled import DeviceState
from tests.agent.desk import MQTT, START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured

HOUR = 3600 * S


@pytest.fixture
def config(tmp_path: Path) -> SiteConfig:
    return configured(tmp_path, SITE + DEVICES + MQTT)


def said(desk: Desk, kind: str) -> list[dict[str, Any]]:
    """Return what records say, without the clocks they go by."""
    return [{**body, "clock": None} for body in desk.store.bodies(kind)]


@pytest.mark.parametrize("wrong_ns", [-HOUR, HOUR, 30 * S - START])
def test_the_accounts_of_a_wrong_clock_that_is_set_right_are_those_of_a_right_one(
    config: SiteConfig, wrong_ns: int
) -> None:
    right, wrong = Desk(config), Desk(config, synchronised=False, wrong_ns=wrong_ns)
    for after_s in range(0, 100, 10):
        right.polled(after_s, 1000 + after_s**2)
        wrong.polled(after_s, 1000 + after_s**2)
    assert wrong.store.transactions == []

    wrong.learn_the_time(100)
    for desk in (right, wrong):
        desk.polled(100, 20_000)
        desk.bookkeeper.close_due(START + 300 * S)

    for kind in ("telemetry", "interval"):
        assert said(wrong, kind) == said(right, kind) != []
    assert dict(wrong.ledger.states()) == dict(right.ledger.states())


def test_nothing_is_recorded_while_the_time_is_not_known(config: SiteConfig) -> None:
    desk = Desk(config, synchronised=False, wrong_ns=-HOUR)
    desk.polled(1)
    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=2)
    desk.recorder.forget("boiler-house/boiler-1")

    assert desk.store.transactions == []
    assert desk.board.get("boiler-house/fan-1/alarm/comm_lost") is None
    state = desk.posted("boiler-house/fan-1/state")
    assert (state["state"], state["reason"]) == ("offline", "no reply")
    assert "since" not in state, "nobody knows"


def test_what_a_device_has_become_is_told_with_its_time_once_that_is_known(config: SiteConfig) -> None:
    desk = Desk(config, synchronised=False, wrong_ns=-HOUR)
    desk.becomes(DeviceState.ONLINE)
    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=5)

    desk.learn_the_time(60)

    assert desk.posted("boiler-house/fan-1/state")["since"] == "2026-11-20T08:00:05.000000Z"
    (alarm,) = desk.store.bodies("alarm")
    assert (alarm["alarm"], alarm["active"], alarm["since"]) == ("comm_lost", True, "2026-11-20T08:00:05.000000Z")


def test_times_go_on_without_a_clock_that_jumps(config: SiteConfig) -> None:
    desk = Desk(config)
    desk.polled(0)
    desk.wrong_ns, desk.synchronised = HOUR, False
    desk.keeper.look()
    desk.polled(10)
    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=12)

    assert [body["time_ns"] - START for body in desk.store.bodies("telemetry")] == [0, 10 * S]
    assert [body["since"] for body in desk.store.bodies("alarm")] == ["2026-11-20T08:00:12.000000Z"]


def test_every_record_says_by_which_clocks_it_goes(config: SiteConfig) -> None:
    desk = Desk(config)
    desk.polled(10)
    desk.synchronised = False
    desk.keeper.look()
    desk.polled(20)

    assert [body["clock"] for body in desk.store.bodies("telemetry")] == [
        {"monotonic_us": (START + 10 * S) // 1000, "synchronised": True},
        {"monotonic_us": (START + 20 * S) // 1000, "synchronised": False},
    ]


def test_what_waits_of_a_device_that_was_changed_is_given_up(config: SiteConfig, tmp_path: Path) -> None:
    desk = Desk(config, synchronised=False)
    desk.polled(1)
    faster = configured(tmp_path, SITE + DEVICES.replace('every = "10s"', 'every = "5s"', 1) + MQTT)

    desk.recorder.configure(config, desk.ledger)
    assert len(desk.recorder.waiting) == 1
    desk.recorder.configure(faster, desk.ledger)
    assert len(desk.recorder.waiting) == 0
    assert desk.recorder.waiting.given_up == 1
