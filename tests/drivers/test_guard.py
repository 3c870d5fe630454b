import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus_tk.utils import calculate_crc

from drivers.guard import (
    Asked,
    Judge,
    Verdict,
    check_frame,
    check_request,
    crc16,
    data_bytes,
    judge_mbap,
    judge_rtu,
    unfinished,
)
from drivers.reading import Block, Outcome


def rtu(body: bytes) -> bytes:
    return body + int(calculate_crc(body)).to_bytes(2, "big")


def mbap(body: bytes, transaction: int = 7) -> bytes:
    return struct.pack(">HHH", transaction, 0, len(body)) + body


RTU = Asked(rtu(bytes.fromhex("01 03 0010 0002")), unit=1, function=3, data_bytes=4)
TCP = Asked(mbap(bytes.fromhex("01 03 0010 0002")), unit=1, function=3, data_bytes=4)
REPLY = bytes.fromhex("01 03 04 0001 8002")


def outcome(judge: Judge, asked: Asked, received: bytes) -> Outcome | None:
    verdict = judge(asked, received)
    return verdict.outcome if verdict else None


def reason(judge: Judge, asked: Asked, received: bytes) -> str:
    verdict = judge(asked, received)
    assert verdict is not None
    assert verdict.outcome is Outcome.BAD_REPLY
    assert verdict.frame == received
    assert verdict.data == b""
    return verdict.reason


@given(st.binary(max_size=64))
def test_the_checksum_agrees_with_an_independent_one(body: bytes) -> None:
    assert crc16(body) == struct.unpack("<H", rtu(body)[-2:])[0]
    assert crc16(rtu(body)) == 0


@pytest.mark.parametrize(("judge", "asked", "frame"), [(judge_rtu, RTU, rtu(REPLY)), (judge_mbap, TCP, mbap(REPLY))])
def test_a_reply_is_accepted_once_its_last_byte_is_there(judge: Judge, asked: Asked, frame: bytes) -> None:
    for end in range(len(frame)):
        assert judge(asked, frame[:end]) is None

    assert judge(asked, frame) == Verdict(Outcome.OK, frame, bytes.fromhex("0001 8002"))


@pytest.mark.parametrize(
    ("judge", "asked", "frame"),
    [(judge_rtu, RTU, rtu(b"\x01\x83\x02")), (judge_mbap, TCP, mbap(b"\x01\x83\x02"))],
)
def test_an_exception_is_told_with_its_code(judge: Judge, asked: Asked, frame: bytes) -> None:
    assert judge(asked, frame[:-1]) is None
    assert judge(asked, frame) == Verdict(Outcome.EXCEPTION, frame, exception=2)


@pytest.mark.parametrize(("judge", "asked", "wrap"), [(judge_rtu, RTU, rtu), (judge_mbap, TCP, mbap)])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("02 03 04 0001 8002", "a reply of unit 2"),
        ("01 04 04 0001 8002", "a reply to function 4"),
        ("01 84 02", "a reply to function 4"),
        ("02 83 02", "a reply of unit 2"),
        ("01 03 02 0001", "2 data bytes came, 4 were asked"),
        ("01 03 06 0001 8002 0003", "6 data bytes came, 4 were asked"),
    ],
)
def test_a_frame_of_another_request_is_refused_at_once(judge: Judge, asked: Asked, wrap, body: str, why: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - one of two functions above
    assert why in reason(judge, asked, wrap(bytes.fromhex(body)))


def test_a_reply_to_another_transaction_is_refused() -> None:
    assert "transaction 8" in reason(judge_mbap, TCP, mbap(REPLY, transaction=8))


def test_a_header_of_another_protocol_is_refused_and_names_rtu_over_tcp() -> None:
    assert "rtu+tcp://" in reason(judge_mbap, TCP, b"\x00\x07\x00\x01" + mbap(REPLY)[4:])


def test_a_header_whose_length_does_not_fit_its_byte_count_is_refused() -> None:
    frame = mbap(REPLY)

    assert "8 bytes came where 7" in reason(judge_mbap, TCP, frame[:4] + b"\x00\x08" + frame[6:] + b"\x00")


@pytest.mark.parametrize("behind", [b"\x00", mbap(REPLY)])
def test_bytes_behind_a_tcp_reply_are_a_reason_for_doubt(behind: bytes) -> None:
    assert "too many" in reason(judge_mbap, TCP, mbap(REPLY) + behind)


def test_a_wrong_checksum_is_refused() -> None:
    frame = rtu(REPLY)

    for at in range(3, len(frame)):
        broken = bytearray(frame)
        broken[at] ^= 0x10
        assert "checksum" in reason(judge_rtu, RTU, bytes(broken))


@pytest.mark.parametrize("noise", [b"\x00", b"\xff\x00", b"\x01", b"\x00\x01\x84\x00"])
def test_noise_shorter_than_a_frame_is_survived_before_and_behind_an_rtu_reply(noise: bytes) -> None:
    assert judge_rtu(RTU, noise + rtu(REPLY) + noise) == Verdict(Outcome.OK, rtu(REPLY), REPLY[3:])


def test_two_rtu_replies_in_one_are_a_reason_for_doubt() -> None:
    assert "too many" in reason(judge_rtu, RTU, rtu(REPLY) + rtu(REPLY))


def test_a_frame_of_another_unit_before_the_reply_is_a_reason_for_doubt() -> None:
    assert judge_rtu(RTU, rtu(b"\x02\x83\x02") + rtu(REPLY)) != Verdict(Outcome.OK, rtu(REPLY), REPLY[3:])


def test_the_echo_of_an_adapter_is_survived() -> None:
    echo = RTU.request

    assert all(judge_rtu(RTU, echo[:end]) is None for end in range(len(echo) + 1))
    assert judge_rtu(RTU, echo + rtu(REPLY)) == Verdict(Outcome.OK, rtu(REPLY), REPLY[3:])


def test_an_echo_that_looks_like_a_reply_is_not_taken_for_one() -> None:
    # 24 coils from 0x03xx on: the request's high address byte reads as a byte count of three.
    request = rtu(bytes.fromhex("01 01 0320 0018"))
    asked = Asked(request, unit=1, function=1, data_bytes=3)

    assert judge_rtu(asked, request) is None
    assert "echo" in unfinished(asked, request)


@pytest.mark.parametrize("before", ["", "ff", "00ff0000", "01", "0101", "010103", "01010303"])
def test_an_echo_behind_noise_is_never_taken_for_a_reply(before: str) -> None:
    request = rtu(bytes.fromhex("01 01 0320 0018"))
    asked = Asked(request, unit=1, function=1, data_bytes=3)

    assert outcome(judge_rtu, asked, bytes.fromhex(before) + request) is not Outcome.OK


@pytest.mark.parametrize("between", [b"", b"\x00", b"\xff\x00\xff\xff"])
@pytest.mark.parametrize("before", [b"", b"\x00", b"\xff\x00\xff\xff"])
def test_noise_before_and_behind_an_echo_is_survived(before: bytes, between: bytes) -> None:
    received = before + RTU.request + between + rtu(REPLY)

    assert all(judge_rtu(RTU, received[:end]) is None for end in range(len(received)))
    assert judge_rtu(RTU, received) == Verdict(Outcome.OK, rtu(REPLY), REPLY[3:])


@pytest.mark.parametrize("noise", [b"\x01\x83", b"\x01\x03\x04", b"\x01\x01\x03"])
def test_noise_that_looks_like_the_beginning_of_a_reply_does_not_hide_it(noise: bytes) -> None:
    assert judge_rtu(RTU, noise + rtu(REPLY)) == Verdict(Outcome.OK, rtu(REPLY), REPLY[3:])


@settings(max_examples=400)
@given(
    st.binary(max_size=5),
    st.booleans(),
    st.binary(max_size=5),
    st.binary(min_size=3, max_size=3),
    st.binary(max_size=5),
    st.integers(0, 30),
)
def test_whatever_surrounds_a_reply_no_other_data_are_taken(
    before: bytes,
    echoed: bool,  # noqa: FBT001 - drawn
    between: bytes,
    data: bytes,
    behind: bytes,
    step: int,
) -> None:
    asked = Asked(rtu(bytes.fromhex("01 01 0320 0018")), unit=1, function=1, data_bytes=3)
    reply = rtu(bytes.fromhex("01 01 03") + data)
    received = before + (asked.request if echoed else b"") + between + reply + behind

    for end in range(0, len(received) + 1, 1 + step):
        verdict = judge_rtu(asked, received[:end])
        if verdict is not None:
            assert verdict.outcome is Outcome.BAD_REPLY or verdict.data == data
            break


def test_endless_noise_is_told_from_a_slow_reply() -> None:
    assert "noise" in reason(judge_rtu, RTU, b"\x55" * 64)


@given(st.binary(max_size=40), st.sampled_from([(judge_rtu, RTU), (judge_mbap, TCP)]))
def test_random_bytes_are_never_accepted(received: bytes, side: tuple[Judge, Asked]) -> None:
    assert outcome(*side, received) in (None, Outcome.BAD_REPLY)


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=20),
    st.integers(0, 0xFFFF),
    st.booleans(),
    st.booleans(),
)
def test_only_the_frame_that_fits_in_everything_is_accepted(
    unit: int,
    function: int,
    data: bytes,
    transaction: int,
    fitting_unit: bool,  # noqa: FBT001 - drawn
    fitting_transaction: bool,  # noqa: FBT001 - drawn
) -> None:
    unit = 1 if fitting_unit else unit
    transaction = 7 if fitting_transaction else transaction
    body = bytes((unit, function, len(data))) + data
    fits = (unit, function, len(data)) == (1, 3, 4)

    assert (outcome(judge_rtu, RTU, rtu(body)) is Outcome.OK) == fits
    assert (outcome(judge_mbap, TCP, mbap(body, transaction)) is Outcome.OK) == (fits and transaction == 7)


@pytest.mark.parametrize("function", [0, 5, 6, 8, 15, 16, 22, 23, 43, 131])
def test_a_function_that_does_not_read_is_never_asked(function: int) -> None:
    with pytest.raises(ValueError, match="never sent"):
        check_request(1, Block(function, 0, 1), serial=False)


@pytest.mark.parametrize("serial", [True, False])
@pytest.mark.parametrize("rest", ["00100002", "0e0100", "0e0200", "0d0100", "", "0010000102ff00", "00"])
def test_of_all_function_codes_only_the_reading_ones_may_leave(serial: bool, rest: str) -> None:  # noqa: FBT001 - a parameter set
    wrap = rtu if serial else mbap

    def leaves(function: int) -> bool:
        with suppress(ValueError):
            check_frame(wrap(bytes((1, function)) + bytes.fromhex(rest)), serial=serial)
            return True
        return False

    left = set(filter(leaves, range(256)))
    assert left == {"00100002": {1, 2, 3, 4}, "0e0100": {43}, "0e0200": {43}}.get(rest, set())


@pytest.mark.parametrize(("serial", "wrap"), [(True, rtu), (False, mbap)])
@pytest.mark.parametrize("body", ["00 03 0010 0002", "00 2b 0e 01 00", "01 03 0010 0002 01 06 0000 0001", ""])
def test_a_broadcast_or_a_second_request_never_leaves(serial: bool, wrap, body: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, FBT001 - a parameter set
    with pytest.raises(ValueError, match="never sent"):
        check_frame(wrap(bytes.fromhex(body)), serial=serial)


@pytest.mark.parametrize(
    ("unit", "block", "serial", "why"),
    [
        (0, Block(3, 0, 1), False, "broadcast"),
        (0, Block(3, 0, 1), True, "broadcast"),
        (248, Block(3, 0, 1), True, "1 to 247"),
        (256, Block(3, 0, 1), False, "1 to 255"),
        (1, Block(3, 0, 126), False, "1 to 125"),
        (1, Block(4, 0, 0), False, "1 to 125"),
        (1, Block(1, 0, 2001), False, "1 to 2000"),
        (1, Block(3, 65535, 2), False, "65535"),
        (1, Block(3, -1, 1), False, "65535"),
    ],
)
def test_a_request_out_of_bounds_is_never_asked(unit: int, block: Block, serial: bool, why: str) -> None:  # noqa: FBT001 - a parameter set
    with pytest.raises(ValueError, match=why):
        check_request(unit, block, serial=serial)


@pytest.mark.parametrize(
    ("block", "size"), [(Block(1, 0, 1), 1), (Block(2, 0, 8), 1), (Block(2, 0, 9), 2), (Block(4, 0, 9), 18)]
)
def test_bits_are_packed_by_eight_and_registers_are_two_bytes(block: Block, size: int) -> None:
    check_request(255, block, serial=False)
    assert data_bytes(block) == size
