import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.framing import Garbled, Request, RtuFraming, TcpFraming, crc16

READ = bytes.fromhex("0300000002")


def rtu(unit: int, pdu: bytes) -> bytes:
    frame = bytes([unit]) + pdu
    return frame + crc16(frame)


def test_the_check_sum_is_that_of_a_published_frame() -> None:
    # Modbus over Serial Line V1.02, 6.2.2: the frame 02 07 has the CRC 0x1241, low byte first on the line.
    assert crc16(bytes.fromhex("0207")) == bytes.fromhex("4112")


@given(cut=st.lists(st.integers(1, 30), max_size=10))
def test_requests_are_found_however_the_stream_is_cut(cut: list[int]) -> None:
    tcp = b"".join(bytes([0, n, 0, 0, 0, 6, 7]) + READ for n in range(5))
    serial = rtu(7, READ) * 3 + rtu(7, bytes.fromhex("10000100020400010002")) + rtu(7, b"\x2b\x0e\x01\x00") * 2
    for framing, stream, expected in ((TcpFraming(), tcp, 5), (RtuFraming(), serial, 6)):
        rest, found = stream, []
        for size in [*cut, len(stream)]:
            found += framing.feed(rest[:size], 0.0)
            rest = rest[size:]
        assert len(found) == expected
        assert found[0].pdu == READ
        assert {request.unit for request in found} == {7}


def test_rtu_steps_over_noise_and_a_broken_frame() -> None:
    broken = bytearray(rtu(7, READ))
    broken[3] ^= 1

    found = RtuFraming().feed(b"\x00\xff" + bytes(broken) + rtu(7, READ), 0.0)

    assert found == [Request(7, READ)]


def test_half_a_frame_is_forgotten_after_a_silence() -> None:
    framing = RtuFraming()

    assert framing.feed(bytes.fromhex("0710000000 7bf6"), 0.0) == []  # 246 bytes should follow
    assert framing.feed(rtu(7, READ), 1.0) == [Request(7, READ)]


@pytest.mark.parametrize("header", ["000100010006", "000100000001", "0001000000ff"])
def test_a_header_that_is_none_garbles_the_stream(header: str) -> None:
    with pytest.raises(Garbled):
        TcpFraming().feed(bytes.fromhex(header) + b"\x01\x03\0\0\0\1", 0.0)


def test_tcp_replies_carry_the_transaction_of_their_request() -> None:
    framing = TcpFraming()
    (request,) = framing.feed(bytes.fromhex("beef00000006070300000002"), 0.0)

    assert framing.reply(request, bytes.fromhex("030400010002")).hex() == "beef0000000707030400010002"
