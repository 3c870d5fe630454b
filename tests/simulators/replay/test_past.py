"""What devices of the past answer, held against what was captured of them."""

from dataclasses import replace

import pytest

from drivers.reading import Block, Exchange, Outcome
from simulators.replay.past import Answer, PastLine
from tests.drivers.capture.exchanges import answered, failed, refused

FIRST, SECOND = Block(3, 10, 4), Block(3, 14, 2)


def of(block: Block, registers: str = "", at: int = 0, *, unit: int = 1) -> Exchange:
    return answered("hall", at, unit=unit, block=block, registers=bytes.fromhex(registers))


def line(*exchanges: Exchange, later: tuple[Exchange, ...] = ()) -> PastLine:
    past = PastLine()
    for exchange in (*exchanges, *later):
        past.foresee(exchange)
    for exchange in exchanges:
        past.take(exchange)
    return past


def data(answer: Answer) -> str:
    assert answer.outcome is Outcome.OK
    return answer.data.hex()


def test_a_block_holds_what_it_held_last_and_comes_as_late_as_it_came() -> None:
    past = line(of(SECOND, "00010002"), of(SECOND, "00030004", 1))
    answer = past.answer(1, SECOND)
    exchange = of(SECOND, "00030004", 1)
    assert data(answer) == "00030004"
    assert answer.delay_s == (exchange.received_ns - exchange.sent_ns) / 1e9


def test_other_blocks_are_pieced_together_the_newest_on_top() -> None:
    past = line(of(FIRST, "000a000b000c000d"), of(SECOND, "000e000f"), of(Block(3, 12, 1), "1111"))
    assert data(past.answer(1, Block(3, 11, 4))) == "000b1111000d000e"
    assert data(past.answer(1, FIRST)) == "000a000b1111000d"
    past.take(of(FIRST, "0000000000000000"))
    assert data(past.answer(1, FIRST)) == "0000000000000000"


def test_bits_are_pieced_together_too() -> None:
    past = line(of(Block(1, 3, 11), "0504"), of(Block(1, 5, 1), "00"))
    assert data(past.answer(1, Block(1, 3, 11))) == "0104"
    assert data(past.answer(1, Block(1, 12, 2))) == "02"


@pytest.mark.parametrize(
    ("unit", "block", "code"),
    [
        (1, Block(3, 9, 2), 2),
        (1, Block(3, 15, 2), 2),
        (1, Block(4, 10, 1), 2),
        (1, Block(3, 65535, 2), 2),
        (1, Block(3, 10, 0), 3),
        (1, Block(3, 10, 126), 3),
        (1, Block(43, 0, 1), 1),
        (2, FIRST, 11),
    ],
)
def test_what_was_never_captured_does_not_exist(unit: int, block: Block, code: int) -> None:
    past = line(of(FIRST), of(SECOND))
    assert past.answer(unit, block) == Answer(Outcome.EXCEPTION, exception=code)


def test_what_is_captured_later_is_silent_until_then() -> None:
    past = line(of(FIRST), later=(of(SECOND, "00010002"),))
    assert past.answer(1, SECOND).outcome is Outcome.NO_REPLY
    assert past.answer(1, Block(3, 13, 2)).outcome is Outcome.NO_REPLY
    past.take(of(SECOND, "00010002"))
    assert data(past.answer(1, SECOND)) == "00010002"


def test_a_device_that_fell_silent_is_silent_as_a_whole_until_it_answers() -> None:
    lost = replace(of(FIRST), outcome=Outcome.NO_REPLY, reply=b"", data=b"")
    past = line(of(FIRST), of(SECOND, "00010002"), of(FIRST, unit=2), lost)
    assert past.answer(1, SECOND).outcome is past.answer(1, FIRST).outcome is Outcome.NO_REPLY
    assert past.answer(2, FIRST).outcome is Outcome.OK
    past.take(of(SECOND, "00030004"))
    assert data(past.answer(1, SECOND)) == "00030004"
    assert past.answer(1, FIRST).outcome is Outcome.NO_REPLY
    assert past.answer(1, Block(3, 13, 2)).outcome is Outcome.NO_REPLY


def test_a_refusal_stands_until_the_block_is_answered() -> None:
    past = line(replace(refused("hall", code=6), block=FIRST), of(SECOND))
    assert past.answer(1, FIRST).exception == 6
    assert past.answer(1, Block(3, 13, 2)).exception == 6
    past.take(of(FIRST))
    assert past.answer(1, FIRST).outcome is Outcome.OK


def test_a_broken_connection_is_broken_until_something_is_asked_again() -> None:
    past = line(of(FIRST), replace(failed("hall", Outcome.LINE_DOWN), block=FIRST))
    assert past.answer(1, FIRST).outcome is Outcome.LINE_DOWN
    past.take(of(FIRST))
    assert past.answer(1, FIRST).outcome is Outcome.OK


def test_a_wrong_reply_comes_again_as_it_came() -> None:
    bad = replace(failed("hall", Outcome.BAD_REPLY, reply=b"\x01\x02"), block=FIRST)
    assert line(bad).answer(1, FIRST).wrong == (bad.request, b"\x01\x02")


def test_an_identification_is_given_as_it_was() -> None:
    who = of(Block(43, 0, 1), "010100000100034142 43".replace(" ", ""))
    assert data(line(who).answer(1, Block(43, 0, 1))) == "01010000010003414243"
