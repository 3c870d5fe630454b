from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from drivers.value import travelling


@travelling
@dataclass(frozen=True, slots=True)
class Sample:
    """A value as others are declared."""

    number: int
    text: str = "-"
    more: Mapping[str, int] = field(default_factory=dict)


def test_a_value_that_travels_is_made_compared_and_replaced_like_any_dataclass() -> None:
    sample = Sample(1, more={"a": 1})

    assert sample == Sample(number=1, text="-", more={"a": 1})
    assert replace(sample, number=2) == Sample(2, "-", {"a": 1})
    assert Sample(1).more is not Sample(1).more


def test_a_value_that_travels_still_has_no_room_for_anything_else() -> None:
    assert not hasattr(Sample(1), "__dict__")
