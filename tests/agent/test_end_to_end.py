"""Twenty devices on four lines, through the real agent, to a real broker and a real database: nothing may differ."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.soak.accounts import chained, conserved
from tests.soak.delivery import at_subscriber, in_database
from tests.soak.finding import Finding
from tests.soak.report import ended
from tests.soak.rig import Evidence, Message, run
from tests.soak.values import on_time, to_the_bit

pytestmark = pytest.mark.integration

_SECONDS = 20.0


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Run the whole way once."""
    return run(tmp_path_factory.mktemp("trial"), seconds=_SECONDS, interval="5s", publish="5s")


def test_all_twenty_devices_are_read_on_all_four_kinds_of_line(evidence: Evidence) -> None:
    assert len(evidence.devices) == 20
    assert sorted(line["url"].partition(":")[0] for line in evidence.state["lines"]) == ["rtu", "rtu+tcp", "tcp", "tcp"]
    assert {device["state"] for device in evidence.state["devices"]} == {"online"}


def test_every_poll_comes_in_its_second(evidence: Evidence) -> None:
    assert on_time(evidence, to_the_bit(evidence)[1]).problems == []


def test_every_record_comes_to_the_subscriber_once_and_in_order(evidence: Evidence) -> None:
    finding = at_subscriber(evidence)

    assert finding.problems == []
    assert {message.kind for message in evidence.messages} >= {"meta", "state", "telemetry", "window", "interval"}


def test_every_number_of_every_record_stands_in_the_database_once(evidence: Evidence) -> None:
    assert in_database(evidence).problems == []


def test_values_at_the_subscriber_equal_the_registers_served_to_the_bit(evidence: Evidence) -> None:
    finding, frames = to_the_bit(evidence)

    assert finding.problems == []
    assert all(len(found) > _SECONDS / 2 for found in frames.values())


def test_the_intervals_of_each_account_add_up_to_its_counter(evidence: Evidence) -> None:
    assert conserved(evidence, to_the_bit(evidence)[1]).problems == []


def test_the_chain_of_interval_records_is_intact(evidence: Evidence) -> None:
    assert chained(evidence).problems == []


def test_the_agent_ends_cleanly_when_asked_to(evidence: Evidence) -> None:
    assert ended(evidence).problems == []


def test_roll_ups_are_expected_in_the_database_too_as_a_run_over_a_full_hour_brings_them(evidence: Evidence) -> None:
    places = {"site": "trial-works", "area": "hall", "device": "motor-1", "account": "motor-1/electricity"}
    start = "2026-11-20T09:00:00.000000Z"
    body = {**places, "period": "hour", "start": start, "amount": 54.2, "source": {"from_seq": 2}, "seq": 7}
    message = Message(0, False, "energy/trial-works/hall/motor-1/rollup", json.dumps(body).encode())
    series: list[dict[str, Any]] = [
        {
            "metric": {"__name__": f"rollup_{key}", **places, "span": "hour"},
            "values": [value],
            "timestamps": [1795165200000],
        }
        for key, value in (("amount", 54.2), ("seq", 7.0))
    ]
    brought = replace(evidence, messages=[message], series=series)

    assert in_database(brought).problems == []
    assert in_database(replace(brought, series=series[:1])).problems


def _altered(evidence: Evidence, kind: str, alter: Callable[[dict[str, object]], None]) -> Evidence:
    """Return the evidence with the last message of a class altered, at the subscriber and in the store."""
    last = evidence.records(kind)[-1]
    body = last.body
    alter(body)
    payload = json.dumps(body).encode()
    messages = [replace(message, payload=payload) if message is last else message for message in evidence.messages]
    stored = [replace(record, payload=payload) if record.seq == body["seq"] else record for record in evidence.stored]
    return replace(evidence, messages=messages, stored=stored)


def _checked(evidence: Evidence) -> dict[str, Finding]:
    values, frames = to_the_bit(evidence)
    return {
        "values": values,
        "time": on_time(evidence, frames),
        "subscriber": at_subscriber(evidence),
        "database": in_database(evidence),
        "conservation": conserved(evidence, frames),
        "chain": chained(evidence),
    }


def _failed(evidence: Evidence) -> set[str]:
    return {name for name, finding in _checked(evidence).items() if finding.problems}


def test_the_checks_notice_a_lost_and_a_repeated_message(evidence: Evidence) -> None:
    lost = evidence.records("telemetry")[-30]

    assert "subscriber" in _failed(replace(evidence, messages=[m for m in evidence.messages if m is not lost]))
    assert "subscriber" in _failed(replace(evidence, messages=[*evidence.messages, lost]))


def test_the_checks_notice_one_wrong_bit_on_the_line(evidence: Evidence) -> None:
    served = copy.deepcopy(evidence.served)
    polls = [entry for entry in served if (entry["line"], entry["unit"], entry["address"]) == ("serial", 5, 0)]
    entry = polls[len(polls) // 2]
    entry["data"] = f"{int(entry['data'][:2], 16) ^ 1:02x}{entry['data'][2:]}"

    assert _failed(replace(evidence, served=served)) == {"values"}


def test_the_checks_notice_a_poll_left_out(evidence: Evidence) -> None:
    polls = [message for message in evidence.records("telemetry") if message.body["device"] == "boiler-1"]
    left_out = polls[len(polls) // 2]

    assert "time" in _failed(replace(evidence, messages=[m for m in evidence.messages if m is not left_out]))


def test_the_checks_notice_a_sample_missing_or_twice_in_the_database(evidence: Evidence) -> None:
    for change in (-1, 1):
        series = copy.deepcopy(evidence.series)
        entry = series[len(series) // 2]
        for name in ("values", "timestamps"):
            entry[name] = entry[name][:-1] if change < 0 else [*entry[name], entry[name][-1]]

        assert _failed(replace(evidence, series=series)) == {"database"}


def test_the_checks_notice_a_changed_interval(evidence: Evidence) -> None:
    def add_a_millionth(body: dict[str, object]) -> None:
        amount = body["amount"]
        assert isinstance(amount, float)
        body["amount"] = round(amount + 1e-6, 6)

    assert _failed(_altered(evidence, "interval", add_a_millionth)) >= {"conservation", "chain"}
