"""What interval records come to: exact sums of those in force, and everything that was not plainly measured."""

from typing import Any

from agent.bundle.tally import Tally
from agent.record import rfc3339, time_ns

Body = dict[str, Any]
START_NS = time_ns("2026-11-20T00:00:00.000000Z")
LENGTH_NS = 900 * 10**9


def interval(number: int, amount: float = 0.1, **said: Any) -> Body:
    """Return the record of the interval of this number."""
    start_ns = START_NS + number * LENGTH_NS
    return {
        "schema": "energy-agent/interval/1",
        "account": "meter/electricity",
        "area": "hall",
        "device": "meter",
        "start": rfc3339(start_ns),
        "end": rfc3339(start_ns + LENGTH_NS),
        "revision": 0,
        "amount": amount,
        "unit": "kWh",
        "energy_kwh": amount,
        "kgce": 0.012,
        "scope": 2,
        "co2_kg": 0.05,
        "coverage": 1.0,
        "estimated": 0.0,
        "quality": "good",
        "evidence": {"rules": ["normal"]},
        "factor": {"set": "CN-grid-2023", "id": "CN-AH", "version": "sha256:1", "value": 0.6553},
        "seq": number + 1,
        **said,
    }


def tallied(*records: Body, hours: int = 1) -> Tally:
    """Return the tally of records in a period of so many hours."""
    tally = Tally(START_NS, START_NS + hours * 3600 * 10**9)
    for take in (tally.look, tally.take):
        for body in records:
            if tally.within(body):
                take(body)
    return tally


def _doubtful(number: int, **said: Any) -> Body:
    rules = {"evidence": {"rules": ["gap", "normal"]}}
    return interval(number, coverage=0.5, estimated=0.5, quality="uncertain:estimated", **{**rules, **said})


def test_amounts_add_up_in_millionths_and_not_in_floats() -> None:
    tally = tallied(*(interval(number) for number in range(4)))
    assert 0.1 + 0.1 + 0.1 != 0.3
    assert tally.accounts["meter/electricity"].sum.total.sums["amount"] == 400_000
    assert tally.told() == []


def test_only_the_highest_revision_counts_in_whatever_order_they_come() -> None:
    first, second = (interval(1, 5.0 + revision, revision=revision, reason="late_data") for revision in (1, 2))
    tally = tallied(interval(0), interval(1), interval(2), interval(3), second, first)
    assert tally.accounts["meter/electricity"].sum.total.sums["amount"] == 300_000 + 7_000_000
    assert sorted(each["revision"] for each in tally.revised) == [1, 2]


def test_what_starts_outside_the_period_counts_nowhere() -> None:
    tally = tallied(interval(-1), *(interval(number) for number in range(5)))
    assert tally.accounts["meter/electricity"].sum.total.intervals == 4


def test_intervals_alike_that_follow_each_other_are_told_of_as_one() -> None:
    told = tallied(interval(0), _doubtful(1, amount=1.0), _doubtful(2, amount=2.0), interval(3)).told()
    assert [(each["intervals"], each["amount"], each["estimated_amount"], each["coverage"]) for each in told] == [
        (2, 3.0, 1.5, 0.5)
    ]
    assert told[0]["rules"] == ["gap"]


def test_those_recorded_late_join_their_neighbours() -> None:
    told = tallied(_doubtful(0), _doubtful(2), interval(3), _doubtful(1)).told()
    assert [(each["from"], each["intervals"]) for each in told] == [("2026-11-20T00:00:00.000000Z", 3)]


def test_what_people_said_stands_beside_the_amount() -> None:
    said = {"reason": "meter exchanged", "author": "Li Wei"}
    decisions = [{"rule": "replacement", "declared": said}]
    told = tallied(_doubtful(0, evidence={"rules": ["replacement"], "decisions": decisions})).told()
    assert told[0]["said"] == ["meter exchanged (Li Wei)"]


def test_time_without_a_record_is_told_of() -> None:
    told = tallied(interval(0), interval(3)).told()
    assert [(each["from"][11:16], each["to"][11:16], each["missing"]) for each in told] == [("00:15", "00:45", True)]


def test_each_factor_is_listed_once_with_its_accounts_and_its_first_and_last_use() -> None:
    other = {"set": "CN-grid-2024", "id": "CN-AH", "version": "sha256:2", "value": 0.6}
    tally = tallied(interval(0), interval(1), interval(2, factor=other), interval(3, account="fan/electricity"))
    used = {each["set"]: each for each in tally.factors.values()}
    assert used["CN-grid-2023"]["accounts"] == ["meter/electricity", "fan/electricity"]
    assert (used["CN-grid-2023"]["first"][11:16], used["CN-grid-2023"]["last"][11:16]) == ("00:00", "00:45")
    assert used["CN-grid-2024"]["accounts"] == ["meter/electricity"]


def test_the_example_is_an_interval_whose_amount_is_certain_be_its_time_vouched_for_or_not() -> None:
    readings = {key: {"registers": "0001", "value": 1.0} for key in ("open", "open_next", "close", "close_next")}
    whole: Body = {"evidence": {"rules": ["normal"], **readings}}
    unsynced = interval(1, quality="uncertain:clock_unsynced", **whole)
    tally = tallied(_doubtful(0, evidence={"rules": ["gap"], **readings}), unsynced, interval(2, **whole))
    assert tally.example == unsynced
    assert [each["from"][11:16] for each in tally.told()] == ["00:00", "00:15", "00:45"]
