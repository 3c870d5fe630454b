"""What other systems say of outputs."""

from datetime import UTC, datetime

import pytest

from agent.output.message import parse
from agent.sections.output import OutputSection

NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()) * 10**9


def told(**keys: str) -> OutputSection:
    return OutputSection.from_file({"name": "bricks", "topic": "mes/line-1/count", "unit": "count", **keys})


@pytest.mark.parametrize(("payload", "value"), [(b"17", 17.0), (b"17.25", 17.25), (b' "17" ', 17.0), (b"1e3", 1000.0)])
def test_a_number_is_taken_as_it_is(payload: bytes, value: float) -> None:
    assert parse(told(), payload) == (value, None)


@pytest.mark.parametrize(
    "said", ['"2026-11-20T20:00:00+08:00"', '"2026-11-20T12:00:00Z"', "1795176000", "1795176000.0"]
)
def test_a_number_may_stand_in_json_with_its_time(said: str) -> None:
    payload = f'{{"line": {{"good": 40, "bad": 2}}, "at": {said}}}'.encode()

    assert parse(told(value="line.good", time="at"), payload) == (40.0, NOON)


@pytest.mark.parametrize(
    ("keys", "payload", "text"),
    [
        ({}, b"many", "neither a number nor JSON"),
        ({}, b"", "neither a number nor JSON"),
        ({}, b"true", "it is no number"),
        ({}, b"null", "it is no number"),
        ({}, b'{"good": 40}', "it is no number"),
        ({"value": "good"}, b"40", "it has no 'good'"),
        ({"value": "good"}, b'{"good": "forty"}', "'good' is no number"),
        ({"value": "good", "time": "at"}, b'{"good": 40}', "it has no 'at'"),
        ({"value": "good", "time": "at"}, b'{"good": 40, "at": "noon"}', "'at' is no time"),
        ({"value": "good", "time": "at"}, b'{"good": 40, "at": "2026-11-20T12:00:00"}', "without offset"),
        ({"value": "good", "time": "at"}, b'{"good": 40, "at": 1795176000000}', "no time in seconds"),
    ],
)
def test_what_says_nothing_says_why(keys: dict[str, str], payload: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse(told(**keys), payload)
