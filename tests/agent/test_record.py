import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.record import encode, event_body, rfc3339


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_back_to_the_same_bits(value: float) -> None:
    assert orjson.loads(encode({"x": value}))["x"].hex() == value.hex()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None, np.float64("nan")])
def test_a_value_that_is_not_there_is_refused_with_its_key(bad: float | None) -> None:
    with pytest.raises(ValueError, match=r"'values\.active_power_kw'"):
        encode({"text": "null and void", "values": {"voltage_v": 230.0, "active_power_kw": bad}})


def test_a_value_inside_a_list_is_named_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"'spans\[1\]'"):
        encode({"spans": [1.0, math.nan]})


def test_the_word_null_in_a_text_is_no_missing_value() -> None:
    assert encode({"text": "null"}) == b'{"text":"null"}'


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        encode({"x": object()})


def test_numpy_numbers_are_written_like_pythons() -> None:
    assert encode({"x": np.float64(0.1), "n": np.int64(3)}) == b'{"x":0.1,"n":3}'


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_162_843_123_456_999, "2026-11-20T08:20:43.123456Z"),
        (1_795_162_843_999_999_999, "2026-11-20T08:20:43.999999Z"),
    ],
)
def test_times_have_microseconds_and_are_never_rounded_up(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text


def test_an_event_says_where_and_when_it_was_and_a_store_of_no_site_only_when() -> None:
    head = {"schema": "energy-agent/event/1", "time": "1970-01-01T00:00:01.500000Z", "name": "started"}

    assert event_body("works", 1_500_000_000, name="started") == head | {"site": "works"}
    assert event_body("", 1_500_000_000, name="started") == head
