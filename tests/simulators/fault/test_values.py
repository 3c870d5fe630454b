from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.reading import Block
from simulators.fault.values import doubt, encode, ticks

SECOND = 10**9

registers = st.builds(Block, st.sampled_from((3, 4)), st.integers(0, 65000), st.integers(4, 125))
whole_bits = st.builds(
    lambda function, word, count: Block(function, 16 * word, count),
    st.sampled_from((1, 2)),
    st.integers(0, 4000),
    st.integers(64, 500),
)
blocks = st.one_of(registers, whole_bits)
units = st.integers(1, 247)
times = st.integers(0, 2**50)


def test_the_registers_are_laid_out_as_documented() -> None:
    assert encode(0x12, Block(3, 0x2000, 5), 0xAABBCCDD).hex(" ", 2) == "1203 2001 aabb ccdd 1203"
    assert encode(0x12, Block(4, 0x2002, 2), 0xAABBCCDD).hex(" ", 2) == "aabb ccdd"


def test_bits_are_those_of_the_registers_from_the_lowest_on() -> None:
    # Word 0x20 holds unit and function, word 0x21 its own address; the lowest bit of a word goes first.
    assert encode(0x12, Block(1, 0x200, 32), 0).hex(" ") == "01 12 21 00"
    assert encode(0x12, Block(2, 0x204, 9), 0).hex(" ") == "20 01"


@given(units, blocks, times)
def test_the_answer_to_the_request_itself_is_not_doubted(unit: int, block: Block, sent_ns: int) -> None:
    data = encode(unit, block, ticks(sent_ns + SECOND // 100))

    assert doubt(unit, block, data, sent_ns, sent_ns + SECOND // 50) == ""


@given(units, units, blocks, times)
def test_another_units_answer_is_recognised(unit: int, other: int, block: Block, at_ns: int) -> None:
    assume(unit != other)

    assert doubt(unit, block, encode(other, block, ticks(at_ns)), at_ns, at_ns + SECOND)


@given(units, registers, st.integers(1, 535), times)
def test_another_addresss_answer_is_recognised(unit: int, block: Block, away: int, at_ns: int) -> None:
    other = replace(block, address=block.address + away)

    assert doubt(unit, block, encode(unit, other, ticks(at_ns)), at_ns, at_ns + SECOND)


@given(units, registers, times)
def test_the_other_functions_answer_is_recognised(unit: int, block: Block, at_ns: int) -> None:
    other = replace(block, function=7 - block.function)

    assert doubt(unit, block, encode(unit, other, ticks(at_ns)), at_ns, at_ns + SECOND)


@given(units, blocks, times, st.integers(1, 10_000))
def test_the_answer_to_an_earlier_request_of_the_same_block_is_recognised(
    unit: int, block: Block, sent_ns: int, earlier: int
) -> None:
    old = encode(unit, block, (ticks(sent_ns) - earlier) % 2**32)

    assert "before this one" in doubt(unit, block, old, sent_ns, sent_ns + SECOND)


@given(units, blocks, times, st.data())
def test_one_turned_bit_is_recognised_unless_it_is_a_bit_of_the_time(
    unit: int, block: Block, at_ns: int, data: st.DataObject
) -> None:
    right = encode(unit, block, ticks(at_ns))
    at = data.draw(st.integers(0, len(right) * 8 - 1))
    wrong = bytearray(right)
    wrong[at // 8] ^= 1 << at % 8

    # The time may pass for another moment of the request, where all its copies agree: here it stands once or more.
    if encode(unit, block, 0)[at // 8] == encode(unit, block, 2**32 - 1)[at // 8]:
        assert doubt(unit, block, bytes(wrong), at_ns, at_ns + SECOND)


@pytest.mark.parametrize("data", ["100018", "0000", "", "0112210000"])
def test_what_has_no_room_for_the_time_is_compared_in_the_rest(data: str) -> None:
    block = Block(1, 0x310, 24)
    right = encode(2, block, 12345)

    assert doubt(2, block, right, 0, SECOND) == ""
    assert doubt(2, block, bytes.fromhex(data), 0, SECOND)
