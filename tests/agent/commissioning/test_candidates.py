"""Which reading of registers comes first, without any other knowledge."""

import struct

import pytest

from agent.commissioning.candidates import Candidate, candidates


def words(text: str) -> dict[int, int]:
    data = bytes.fromhex(text.replace(" ", ""))
    return {at: int.from_bytes(data[2 * at : 2 * at + 2], "big") for at in range(len(data) // 2)}


def ranked(text: str, later: str | None = None) -> list[Candidate]:
    found = candidates(words(text), words(later) if later else None)
    return sorted(found, key=lambda candidate: -candidate.bits)


@pytest.mark.parametrize(
    ("text", "keys", "value"),
    [
        ("4366 0000", {"type": "float32", "word_order": "big"}, 230.0),
        ("0000 4366", {"type": "float32", "word_order": "little"}, 230.0),
        ("6643 0000", {"type": "float32", "word_order": "big", "byte_order": "little"}, 230.0),
        ("0000 6643", {"type": "float32", "word_order": "little", "byte_order": "little"}, 230.0),
        ("08fd", {"type": "uint16", "scale": 0.1}, 230.1),
        ("1388", {"type": "uint16", "scale": 0.01}, 50.0),
        ("0000 08fd", {"type": "uint32", "word_order": "big", "scale": 0.1}, 230.1),
        ("08fd 0000", {"type": "uint32", "word_order": "little", "scale": 0.1}, 230.1),
        ("ffff fe0c", {"type": "int32", "word_order": "big"}, -500.0),
        ("2301", {"type": "bcd16", "scale": 0.1}, 230.1),
        ("40c8 1cd6 e631 f8a1", {"type": "float64", "word_order": "big"}, 12345.6789),
    ],
)
def test_the_plausible_reading_comes_first(text: str, keys: dict[str, object], value: float) -> None:
    first = ranked(text)[0]

    assert first.keys == keys
    assert first.value == pytest.approx(value)


def test_a_text_is_seen_as_one() -> None:
    first = ranked(b"METER-12".hex())[0]

    assert (first.type, first.text, first.keys["length"]) == ("string", "METER-12", 4)


def test_every_type_a_profile_can_name_is_tried_in_every_order() -> None:
    found = candidates(words("0123 4567 1234 5678"))

    at_first = {(one.type, one.word_order, one.byte_order) for one in found if one.address == 0}
    for kind in ("uint32", "int32", "uint64", "int64", "float32", "float64", "bcd32"):
        tried = {orders[1:] for orders in at_first if orders[0] == kind}
        assert len(tried) >= (1 if kind == "bcd32" else 4), kind
    assert {"uint16", "int16", "bcd16"} <= {orders[0] for orders in at_first}


def test_orders_that_read_the_same_stand_once() -> None:
    found = [one for one in candidates(words("0101 0101")) if one.type == "uint32"]

    assert [(one.word_order, one.byte_order) for one in found] == [("big", "big")]


def test_no_number_and_tiny_numbers_are_no_floats() -> None:
    for text in ("7fc0 0000", "0000 0001", "7f80 0000"):
        worst = min(one.bits for one in candidates(words(text)) if one.type == "float32" and one.word_order == "big")
        assert worst <= -6.0


def test_a_second_sample_tells_a_counter_from_a_wrong_order() -> None:
    # 1,048,575 counts on to 1,048,577: in the other word order it jumps by a power of two.
    def bits_of(found: list[Candidate], order: str) -> float:
        return next(
            one.bits for one in found if one.type == "uint32" and (one.word_order, one.byte_order) == (order, "big")
        )

    alone, watched = ranked("000f ffff"), ranked("000f ffff", "0010 0001")

    assert bits_of(watched, "big") > bits_of(alone, "big")
    assert bits_of(watched, "little") < bits_of(alone, "little")
    first = next(one for one in watched if one.type == "uint32" and one.word_order == "big")
    assert any("counter" in why for why in first.why)


def test_a_float_is_shown_as_the_device_means_it() -> None:
    (one,) = [
        one
        for one in candidates(words(struct.pack(">f", 230.1).hex()))
        if one.type == "float32" and (one.word_order, one.byte_order) == ("big", "big")
    ]

    assert one.value == 230.1
