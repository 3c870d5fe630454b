import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modbus_tk.utils import calculate_crc

from drivers.reading import Block
from simulators.fault.bus import paced
from simulators.fault.device import Answer, Misbehaving
from simulators.fault.faults import FAULTS, Chunk
from simulators.fault.values import encode
from simulators.framing import Framing, Request, RtuFraming, TcpFraming

TIMEOUT_S = 0.5
UNITS = (1, 2, 3)
TCP, RTU = TcpFraming(), RtuFraming()
BLOCKS = (Block(3, 100, 4), Block(4, 7, 10), Block(1, 32, 64), Block(2, 0x300, 24))


def request(framing: Framing, unit: int, block: Block, transaction: int = 7) -> Request:
    pdu = bytes([block.function]) + block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
    return Request(unit, pdu, transaction.to_bytes(2, "big") if framing is TCP else b"")


def right(framing: Framing, asked: Request, block: Block, tick: int) -> bytes:
    data = encode(asked.unit, block, tick)
    return framing.reply(asked, bytes([block.function, len(data)]) + data)


def sent(chunks: tuple[Chunk, ...]) -> bytes:
    return b"".join(chunk.data or b"" for chunk in chunks)


def struck(name: str, framing: Framing, number: int = 200) -> Iterator[tuple[Request, Block, bytes, Answer]]:
    """Give requests, the right reply and what a line with this one fault answers."""
    units = Misbehaving(UNITS, {name: 1.0}, timeout_s=TIMEOUT_S, seed=1)
    rng = random.Random(2)  # noqa: S311 - a test that can be repeated
    for tick in range(number):
        block = rng.choice(BLOCKS)
        asked = request(framing, rng.choice(UNITS), block, tick)
        answer = units.answer(asked, framing, tick)
        assert isinstance(answer, Answer)
        assert answer.faults == (name,)
        yield asked, block, right(framing, asked, block, tick), answer


def existing(*names: str) -> list[object]:
    found: list[object] = []
    for name in names or FAULTS:
        found += [pytest.param(name, TCP, id=f"{name}-tcp")] * FAULTS[name].tcp
        found += [pytest.param(name, RTU, id=f"{name}-rtu")] * FAULTS[name].rtu
    return found


def sound(framing: Framing, frame: bytes) -> bool:
    if framing is RTU:
        return bool(frame) and int(calculate_crc(frame[:-2])) == int.from_bytes(frame[-2:], "big")
    return frame[2:4] == b"\0\0" and int.from_bytes(frame[4:6], "big") == len(frame) - 6


@pytest.mark.parametrize("framing", [TCP, RTU])
def test_a_line_without_faults_answers_at_once_and_rightly(framing: Framing) -> None:
    units = Misbehaving(UNITS, {}, timeout_s=TIMEOUT_S, seed=1)
    for block in BLOCKS:
        asked = request(framing, 2, block)
        answer = units.answer(asked, framing, 99)

        assert isinstance(answer, Answer)
        assert answer.chunks == (Chunk(0.0, right(framing, asked, block, 99)),)
        assert answer.right_after_s == 0.0
        assert (answer.unit, answer.block, answer.right, answer.faults) == (2, block, encode(2, block, 99), ())


@pytest.mark.parametrize(("name", "framing"), existing("short", "long", "transaction", "other-unit", "other-request"))
def test_a_wrong_frame_is_well_formed_and_not_the_right_one(name: str, framing: Framing) -> None:
    for _, _, good, answer in struck(name, framing):
        assert answer.right_after_s is None
        assert sound(framing, sent(answer.chunks))
        assert sent(answer.chunks) != good


@pytest.mark.parametrize(("name", "framing"), existing("other-unit", "other-request"))
def test_a_reply_to_something_else_differs_in_what_a_reader_can_see(name: str, framing: Framing) -> None:
    at = 6 if framing is TCP else 0
    for _, _, good, answer in struck(name, framing):
        frame = sent(answer.chunks)
        seen = (frame[: at + 3], len(frame))
        assert seen != (good[: at + 3], len(good))


@pytest.mark.parametrize(("name", "framing"), existing("header", "crc"))
def test_a_damaged_frame_is_not_well_formed(name: str, framing: Framing) -> None:
    for _, _, good, answer in struck(name, framing):
        frame = sent(answer.chunks)
        assert answer.right_after_s is None
        assert len(frame) == len(good)
        assert not sound(framing, frame)


@pytest.mark.parametrize("framing", [TCP, RTU])
def test_exceptions_have_all_codes_from_1_to_11(framing: Framing) -> None:
    codes = set()
    for asked, block, _, answer in struck("exception", framing):
        code = sent(answer.chunks)[8 if framing is TCP else 2]
        assert sent(answer.chunks) == framing.reply(asked, bytes([block.function | 0x80, code]))
        codes.add(code)

    assert codes == set(range(1, 12))


@pytest.mark.parametrize("framing", [TCP, RTU])
def test_silence_sends_nothing(framing: Framing) -> None:
    assert all(answer.chunks == () for _, _, _, answer in struck("silence", framing))


@pytest.mark.parametrize(("name", "framing"), existing("leading", "trailing", "echo", "repeat"))
def test_what_is_added_leaves_the_right_reply_whole_and_tells_where_it_ends(name: str, framing: Framing) -> None:
    for asked, _, good, answer in struck(name, framing):
        frame = sent(answer.chunks)
        assert answer.right_end is not None
        assert frame[: answer.right_end].endswith(good)
        assert len(frame) > len(good)
        assert answer.right_after_s is not None
        assert answer.right_after_s < TIMEOUT_S / 10
        if name == "echo":
            assert framing.reply(asked, asked.pdu) in frame[: -len(good)]


@pytest.mark.parametrize("framing", [TCP, RTU])
def test_a_late_reply_is_the_right_one_and_within_its_bounds(framing: Framing) -> None:
    for _, _, good, answer in struck("late", framing):
        assert sent(answer.chunks) == good
        assert answer.right_after_s is not None
        assert 1.1 * TIMEOUT_S <= answer.right_after_s <= 1.5 * TIMEOUT_S


@pytest.mark.parametrize(("name", "framing"), existing("fragments", "slow"))
def test_pieces_are_whole_together_and_in_order(name: str, framing: Framing) -> None:
    for _, _, good, answer in struck(name, framing):
        times = [chunk.after_s for chunk in answer.chunks]
        assert sent(answer.chunks) == good
        assert len(answer.chunks) >= 2
        assert times == sorted(times)
        assert answer.right_after_s == times[-1] <= (0.7 if name == "fragments" else 1.4) * TIMEOUT_S


@pytest.mark.parametrize("framing", [TCP, RTU])
def test_a_reset_breaks_off_before_the_last_byte_and_closes(framing: Framing) -> None:
    for _, _, good, answer in struck("reset", framing):
        assert answer.chunks[-1].data is None
        assert good.startswith(sent(answer.chunks))
        assert len(sent(answer.chunks)) < len(good)
        assert answer.right_after_s is None


@pytest.mark.parametrize("framing", [TCP, RTU])
def test_two_units_answers_are_swapped(framing: Framing) -> None:
    units = Misbehaving(UNITS, {"swap": 1.0}, timeout_s=TIMEOUT_S, seed=1)
    block = BLOCKS[0]
    first, second = (request(framing, unit, block, unit) for unit in (1, 2))
    answers = [units.answer(asked, framing, tick) for tick, asked in enumerate((first, second, first))]

    assert [sent(tuple(answer.chunks)) for answer in answers if isinstance(answer, Answer)] == [
        b"",
        right(framing, first, block, 0),
        right(framing, second, block, 1),
    ]
    assert all(answer.right_after_s is None for answer in answers if isinstance(answer, Answer))


def test_a_mix_strikes_one_reply_in_several_stages_and_is_the_same_for_the_same_seed() -> None:
    def course(seed: int) -> list[tuple[tuple[str, ...], tuple[Chunk, ...]]]:
        units = Misbehaving(UNITS, dict.fromkeys(FAULTS, 0.05), timeout_s=TIMEOUT_S, seed=seed)
        answers = [units.answer(request(RTU, n % 3 + 1, BLOCKS[n % 4]), RTU, n) for n in range(3000)]
        return [(answer.faults, answer.chunks) for answer in answers if isinstance(answer, Answer)]

    one = course(1)
    names = {name for faults, _ in one for name in faults}
    assert one == course(1) != course(2)
    assert names == {name for name, fault in FAULTS.items() if fault.rtu}
    assert {len(faults) for faults, _ in one} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("pdu", "code"),
    [("06 0001 0001", 1), ("03 0001 007e", 3), ("03 0001 0000", 3), ("03 ffff 0002", 2), ("2b 0e 01 00", 1)],
)
def test_what_cannot_be_read_is_refused_like_by_any_device(pdu: str, code: int) -> None:
    units = Misbehaving(UNITS, {"late": 1.0}, timeout_s=TIMEOUT_S, seed=1)
    asked = Request(1, bytes.fromhex(pdu))

    assert units.answer(asked, RTU, 0) == [Chunk(0.0, RTU.reply(asked, bytes((asked.pdu[0] | 0x80, code))))]


def test_a_unit_that_is_not_there_is_silent_on_a_bus_and_answered_for_by_a_gateway() -> None:
    units = Misbehaving(UNITS, {}, timeout_s=TIMEOUT_S, seed=1)

    assert units.answer(request(RTU, 9, BLOCKS[0]), RTU, 0) == []
    asked = request(TCP, 9, BLOCKS[0])
    assert units.answer(asked, TCP, 0) == [Chunk(0.0, TCP.reply(asked, bytes((0x83, 11))))]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=300)), max_size=5).map(sorted),
    st.sampled_from((0.0, 10 / 9600, 10 / 115200)),
    st.floats(0, 0.1),
    st.floats(-1, 1),
)
def test_a_wire_carries_bytes_in_order_no_earlier_and_no_faster(
    timed: list[tuple[float, bytes]], char_s: float, begin_s: float, free_s: float
) -> None:
    chunks = [Chunk(after_s, data) for after_s, data in timed]
    carried = paced(chunks, char_s, begin_s=begin_s, free_s=free_s)

    assert sent(carried) == b"".join(data for _, data in timed)
    taken = free_s
    for chunk in carried:
        assert chunk.after_s >= begin_s
        assert chunk.after_s - taken >= len(chunk.data or b"") * char_s - 1e-9
        taken = chunk.after_s
