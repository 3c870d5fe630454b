"""What is typed: hex digits in any grouping, and values off a display."""

import pytest

from agent.commissioning.given import named, registers, shown_value


@pytest.mark.parametrize(
    "typed", [["43", "66", "00", "00"], ["4366", "0000"], ["43660000"], ["0x4366", "0x0000"], ["43:66:00:00"]]
)
def test_hex_is_read_however_it_is_grouped(typed: list[str]) -> None:
    assert registers(typed) == [0x4366, 0x0000]


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (["43zz"], "'z' is no hex digit"),
        (["43", "66", "0"], "5 hex digits"),
        (["-"], "write registers such as"),
        (["00"] * 260, "more than the 125"),
    ],
)
def test_hex_that_is_none_says_what_to_write(typed: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        registers(typed)


@pytest.mark.parametrize(
    ("typed", "name", "value", "decimals", "unit"),
    [
        ("230.1", "voltage_l1", 230.1, 1, "V"),
        ("12.30kW", "active_power", 12.3, 2, "kW"),
        ("800 W", "active_power", 800.0, 0, "W"),
        ("-0.5", "power_factor", -0.5, 1, "1"),
        ("230.1", "", 230.1, 1, ""),
    ],
)
def test_a_shown_value_keeps_its_digits_and_its_unit(
    typed: str, name: str, value: float, decimals: int, unit: str
) -> None:
    shown = shown_value(typed, name)

    assert (shown.value, shown.decimals, shown.unit) == (value, decimals, unit)


@pytest.mark.parametrize(
    ("typed", "name", "text"),
    [
        ("twelve", "", "is no number"),
        ("12 kV", "active_power", "active_power is no voltage: give it in kW"),
        ("12 kw", "active_power", "unknown unit 'kw'.*did you mean 'kW'"),
        ("1e400", "", "unknown unit"),
    ],
)
def test_a_shown_value_that_cannot_be_says_why(typed: str, name: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        shown_value(typed, name)


def test_a_name_outside_the_vocabulary_is_shown_the_nearest() -> None:
    assert named("voltage_l1=230.1") == ("voltage_l1", "230.1")
    assert named("voltage_l1") == ("voltage_l1", None)
    with pytest.raises(ValueError, match="did you mean 'voltage_l1'"):
        named("voltage_11=3")
