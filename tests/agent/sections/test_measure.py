import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import SchemaValidator, ValidationError

from agent.sections.measure import Duration, Pause, Power, Size, bytes_text, seconds, seconds_text
from drivers.checked import schema_of
from drivers.declared import Written

DURATION, PAUSE, SIZE, POWER = (SchemaValidator(schema_of(each)) for each in (Duration, Pause, Size, Power))


@pytest.mark.parametrize(
    ("adapter", "text", "value"),
    [
        (DURATION, "20ms", 0.02),
        (DURATION, "1s", 1.0),
        (DURATION, "15min", 900.0),
        (DURATION, "1.5h", 5400.0),
        (DURATION, "1d", 86400.0),
        (DURATION, " 10 s ", 10.0),
        (PAUSE, "0ms", 0.0),
        (SIZE, "1GiB", 2**30),
        (SIZE, "500MB", 500_000_000),
        (SIZE, "1.5KiB", 1536),
        (POWER, "700 kW", 700.0),
        (POWER, "1.5 MW", 1500.0),
        (POWER, "750W", 0.75),
    ],
)
def test_a_text_with_its_unit_becomes_a_number(adapter: SchemaValidator, text: str, value: float) -> None:
    assert adapter.validate_python(text) == value


@pytest.mark.parametrize(
    ("adapter", "wrong"),
    [
        (DURATION, 5),
        (DURATION, "5"),
        (DURATION, "5 sec"),
        (DURATION, "-5s"),
        (DURATION, "0s"),
        (DURATION, "0.0001ms"),
        (DURATION, "9" * 400 + "s"),
        (DURATION, "367d"),
        (DURATION, "1 S"),
        (DURATION, None),
        (SIZE, "1 gib"),
        (SIZE, True),
        (SIZE, "9" * 400 + "B"),
        (POWER, "700"),
        (POWER, "700 hp"),
        (POWER, "0 kW"),
    ],
)
def test_what_is_not_understood_is_refused_with_an_example(adapter: SchemaValidator, wrong: object) -> None:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(wrong)

    assert re.search(r"like \"|such as '|nameplate", str(caught.value))


@given(st.integers(1, 10**9))
def test_a_duration_and_a_size_read_back_as_they_were_written(amount: int) -> None:
    assert seconds(seconds_text(amount)) == pytest.approx(amount, rel=1e-12)
    assert SIZE.validate_python(bytes_text(amount)) == amount


@pytest.mark.parametrize(("value", "text"), [(900.0, "15min"), (86400.0, "1d"), (0.02, "20ms"), (90.0, "90s")])
def test_a_duration_is_written_in_the_largest_unit_that_fits(value: float, text: str) -> None:
    assert seconds_text(value) == text


@pytest.mark.parametrize("kind", [Duration, Pause, Size, Power])
def test_the_schema_takes_the_examples_it_gives(kind: Any) -> None:
    (schema,) = (part.schema for part in get_args(kind) if isinstance(part, Written))

    for example in schema["examples"]:
        assert re.search(schema["pattern"], example)
        SchemaValidator(schema_of(kind)).validate_python(example)
    assert not re.search(schema["pattern"], "5")
