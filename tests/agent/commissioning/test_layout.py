"""Readings that belong together: of whole blocks, and of what displays show."""

import struct

import pytest

from agent.commissioning.layout import Shown, agree, layouts, matches
from agent.commissioning.verdicts import Verdict, verdicts

VALUES = (230.1, 231.2, 229.8, 5.21, 4.9, 5.53, 1198.7, 1130.4, 1260.2, 0.98, 50.01, 12345.67)


def block(order: str, values: tuple[float, ...] = VALUES, start: int = 0) -> dict[int, int]:
    """Return floats in one of the four orders, named after where the bytes A (highest) to D go."""
    octets = b"".join(bytes(struct.pack(">f", value)["ABCD".index(letter)] for letter in order) for value in values)
    return {start + at: int.from_bytes(octets[2 * at : 2 * at + 2], "big") for at in range(len(octets) // 2)}


def judged(words: dict[int, int], *shown: Shown) -> list[Verdict]:
    found = [matches(value, words) for value in shown]
    weights = {(layout.word_order, layout.byte_order): layout.bits for layout in layouts(words)}
    return verdicts(agree(found, weights), found)


@pytest.mark.parametrize(
    ("order", "word_order", "byte_order"),
    [("ABCD", "big", "big"), ("CDAB", "little", "big"), ("BADC", "big", "little"), ("DCBA", "little", "little")],
)
def test_the_order_of_a_whole_block_is_recognised_without_any_display(
    order: str, word_order: str, byte_order: str
) -> None:
    best, second, *_ = layouts(block(order, start=0x1010))

    assert (best.word_order, best.byte_order) == (word_order, byte_order)
    assert best.bits > second.bits
    assert [reading.value for reading in best.readings] == pytest.approx(VALUES)


def test_a_table_of_integers_of_two_lengths_is_cut_in_the_right_places() -> None:
    words = dict(enumerate((2301, 2312, 2298, 521, 490, 553, 0x0012, 0xD687, 0x0000, 0x4E20, 5001)))

    best = layouts(words)[0]

    assert [(reading.address, reading.type) for reading in best.readings if reading.address >= 6] == [
        (6, "uint32"),
        (8, "uint32"),
        (10, "uint16"),
    ]


def test_a_shown_value_finds_its_register_order_and_is_certain() -> None:
    (verdict,) = judged(block("CDAB"), Shown("frequency", 50.01, 2))

    assert verdict.sure
    assert verdict.match.reading.address == 20
    assert verdict.match.reading.keys == {"type": "float32", "word_order": "little"}


def test_a_scaled_integer_is_found_with_its_scale_in_the_displays_unit() -> None:
    words = dict(enumerate((7, 0x0000, 0x4E35, 9)))  # 20021 W

    (verdict,) = judged(words, Shown("active_power", 20.021, 3, "kW"))

    assert verdict.match.reading.keys == {"type": "int32", "word_order": "big", "scale": 0.001}
    assert verdict.match.reading.address == 1


def test_two_digits_alone_are_never_certain() -> None:
    (verdict,) = judged(block("CDAB"), Shown("power_factor", 0.98, 2))

    assert not verdict.sure


def test_a_certain_value_lends_its_order_to_values_of_few_digits() -> None:
    found = judged(block("CDAB"), Shown("active_energy_import", 12345.67, 2), Shown("power_factor", 0.98, 2))

    assert [verdict.sure for verdict in found] == [True, True]
    assert found[1].match.reading.address == 18


def test_an_address_is_open_where_others_hold_nearly_the_same() -> None:
    # 231.2 V moved to 230.1 V since somebody looked, and 230.1 V to something else: exact is not certain here.
    (verdict,) = judged(block("CDAB"), Shown("voltage_l2", 230.1, 1))

    assert not verdict.sure
    assert verdict.match.reading.address == 0
    assert [twin.reading.address for twin in verdict.twins] == [2, 4]


def test_three_phases_stand_in_the_order_of_their_addresses_even_while_they_move() -> None:
    # Shown a while before: the second phase then read what the third reads now.
    shown = [Shown(f"voltage_l{phase}", value, 1) for phase, value in ((1, 230.4), (2, 229.8), (3, 230.0))]

    found = judged(block("CDAB"), Shown("active_energy_import", 12345.67, 2), *shown)

    assert [(verdict.match.reading.address, verdict.sure, verdict.by_order) for verdict in found[1:]] == [
        (0, True, True),
        (2, True, True),
        (4, True, True),
    ]


def test_phases_are_not_ordered_where_two_rows_of_them_stand() -> None:
    values = (*VALUES[:3], *VALUES[:3], *VALUES[6:])
    shown = [Shown(f"voltage_l{phase}", value, 1) for phase, value in zip((1, 2, 3), VALUES, strict=False)]

    found = judged(block("CDAB", values), Shown("active_energy_import", 12345.67, 2), *shown)

    assert not any(verdict.sure for verdict in found[1:])


def test_one_phase_that_no_other_is_near_needs_no_order() -> None:
    found = judged(block("CDAB"), Shown("active_energy_import", 12345.67, 2), Shown("current_l1", 5.21, 2))

    assert [(verdict.match.reading.address, verdict.sure) for verdict in found[1:]] == [(6, True)]


def test_two_scales_that_fit_leave_it_open() -> None:
    words = dict(enumerate((2301, 0xFFFF, 23010, 0xFFFF)))

    (verdict,) = judged(words, Shown("voltage_l1", 230.1, 1))

    assert not verdict.sure
    assert [rival.reading.address for rival in verdict.rivals] == [2]


def test_a_value_that_moved_since_it_was_read_is_found_but_not_certain() -> None:
    (verdict,) = judged(block("ABCD"), Shown("active_power", 1190.0, 1, "W"))

    assert not verdict.sure
    assert not verdict.match.exact


def test_a_value_that_no_register_holds_is_not_found() -> None:
    assert judged(block("ABCD"), Shown("voltage_l1", 77.7, 1)) == []


def test_the_sign_tells() -> None:
    words = dict(enumerate((0xFF06, 250)))

    (verdict,) = judged(words, Shown("active_power", -2.50, 2, "kW"))

    assert verdict.match.reading.address == 0
    assert verdict.match.reading.type == "int16"


def test_an_integer_under_a_zero_register_says_that_it_may_be_longer() -> None:
    words = dict(enumerate((0xFFFF, 0, 2301, 0xFFFF)))

    (verdict,) = judged(words, Shown("voltage_l1", 230.1, 1))

    assert {verdict.match.reading.type, *(part.reading.type for part in verdict.parts)} == {"uint16", "uint32"}


def test_the_smallest_float_is_compared_without_overflow() -> None:
    assert matches(Shown("voltage_l1", 230.1, 1), {0: 0, 1: 1}) == []


def test_a_value_that_fits_exactly_a_moment_later_is_exact() -> None:
    words, later = block("CDAB"), block("CDAB", (230.4, *VALUES[1:]))

    (match, *_) = matches(Shown("voltage_l1", 230.4, 1), words, later)

    assert match.exact
    assert match.reading.address == 0
    assert not matches(Shown("voltage_l1", 230.4, 1), words)[0].exact


def test_a_counter_may_have_gone_on_since_somebody_looked_but_never_back() -> None:
    words = dict(enumerate((0xFFFF, 0x0012, 0xD687, 0xFFFF)))  # 1,234,567

    (ahead,) = judged(words, Shown("active_energy_import", 12345.62, 2))
    (behind,) = judged(words, Shown("active_energy_import", 12345.72, 2))

    assert (ahead.sure, ahead.match.reading.address) == (True, 1)
    assert not behind.sure
