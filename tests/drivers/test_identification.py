import asyncio
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modbus_tk.utils import calculate_crc
from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.endpoint import parse_endpoint
from drivers.errors import BadReply, NoReply, Refused
from drivers.guard import Asked, judge_mbap, judge_rtu
from drivers.identification import objects, pdu_length
from drivers.line import Line
from drivers.reading import Block, Exchange, Outcome
from tests.drivers.lines import TIMEOUT_S
from tests.modbus_rig import TRANSPORTS, Chunk, Request, Script, rig
from tests.servers import free_port

PLAIN = ("tcp", "rtu+tcp", "rtu")
assert set(PLAIN) < set(TRANSPORTS)


def said(parts: Sequence[tuple[int, bytes]], *, category: int = 2, more: int = 0, following: int = 0) -> bytes:
    """Return a reply as it stands between unit and checksum."""
    body = b"".join(bytes((number, len(text))) + text for number, text in parts)
    return bytes((43, 14, category, 0x82, more, following, len(parts))) + body


MAKER = said([(0, b"Works"), (1, b"M-7"), (2, b"1.4")])


@pytest.mark.parametrize("size", range(len(MAKER)))
def test_a_reply_is_never_longer_than_its_first_bytes_let_expect(size: int) -> None:
    assert size < pdu_length(MAKER[:size]) <= len(MAKER)


def test_a_reply_ends_behind_its_last_object() -> None:
    assert pdu_length(MAKER) == len(MAKER)
    assert pdu_length(MAKER + b"behind") == len(MAKER)
    assert objects(MAKER[2:]) == ({0: "Works", 1: "M-7", 2: "1.4"}, None)


def test_a_device_that_has_more_says_where_to_go_on() -> None:
    assert objects(said([(0, b"Works")], more=0xFF, following=1)[2:]) == ({0: "Works"}, 1)


@pytest.mark.parametrize("following", [0, 3])
def test_a_device_that_sends_back_is_not_followed(following: int) -> None:
    assert objects(said([(3, b"x")], more=0xFF, following=following)[2:])[1] is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"AB\0\0", "AB"),
        (b"  x ", "x"),
        (b"\x1b[2J", "\ufffd[2J"),
        ("电表".encode(), "电表"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_texts_are_safe_to_print(value: bytes, text: str) -> None:
    assert objects(said([(0, value)])[2:])[0] == {0: text}


RTU = Asked(bytes.fromhex("012b0e0200") + b"\x35\x77", unit=1, function=43, data_bytes=0)
TCP = Asked(bytes.fromhex("00070000000501 2b0e0200"), unit=1, function=43, data_bytes=0)


def rtu(body: bytes) -> bytes:
    return body + int(calculate_crc(body)).to_bytes(2, "big")


def mbap(body: bytes) -> bytes:
    return struct.pack(">HHH", 7, 0, len(body)) + body


@pytest.mark.parametrize(("judge", "asked", "wrap"), [(judge_rtu, RTU, rtu), (judge_mbap, TCP, mbap)])
def test_an_identification_is_accepted_with_its_last_byte_and_not_before(judge, asked, wrap) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - one of two functions above
    frame = wrap(b"\x01" + MAKER)

    assert all(judge(asked, frame[:end]) is None for end in range(len(frame)))
    verdict = judge(asked, frame)
    assert (verdict.outcome, verdict.frame, verdict.data) == (Outcome.OK, frame, MAKER[2:])


@pytest.mark.parametrize(
    "body",
    [
        b"\x02" + MAKER,
        b"\x01\x2b\x0d" + MAKER[2:],
        b"\x01\x03\x04\x00\x01\x80\x02",
        b"\x01" + MAKER[:-1],
        b"\x01" + MAKER + b"\x00",
        b"\x01" + MAKER[:6] + b"\x02" + MAKER[7:],
    ],
)
def test_what_is_no_identification_of_this_unit_is_refused(body: bytes) -> None:
    verdict = judge_mbap(TCP, mbap(body))
    assert verdict is not None
    assert verdict.outcome is Outcome.BAD_REPLY
    serial = judge_rtu(RTU, rtu(body))
    assert serial is None or serial.outcome is Outcome.BAD_REPLY


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_no_identification(data: bytes, begun: bool) -> None:  # noqa: FBT001 - drawn
    for judge, asked, wrap in ((judge_rtu, RTU, bytes), (judge_mbap, TCP, mbap)):
        verdict = judge(asked, wrap((b"\x01\x2b\x0e" if begun else b"") + data))
        if verdict is not None and verdict.outcome is Outcome.OK:
            assert objects(verdict.data)[0] is not None


@asynccontextmanager
async def asking(transport: str, script: Script, seen: list[Exchange] | None = None) -> AsyncIterator[Line]:
    async with rig(transport, script) as device:
        line = Line(
            "test",
            parse_endpoint(device.url),
            timeout_s=TIMEOUT_S,
            pause_s=0,
            on_exchange=seen.append if seen is not None else None,
        )
        try:
            yield line
        finally:
            await line.close()


@pytest.mark.integration
@pytest.mark.parametrize("transport", PLAIN)
async def test_a_device_in_several_parts_is_put_together(transport: str) -> None:
    def parts(request: Request) -> Iterable[Chunk]:
        assert (request.function, request.count) == (43, 2)
        text = bytes((65 + request.address,)) * 3
        more = {"more": 0xFF, "following": request.address + 1} if request.address < 4 else {}
        return [(0, request.frame(said([(request.address, text)], **more)))]

    seen: list[Exchange] = []
    async with asking(transport, parts, seen) as line:
        assert await line.identification(9) == {0: "AAA", 1: "BBB", 2: "CCC", 3: "DDD", 4: "EEE"}
        with pytest.raises(ValueError, match="broadcast"):
            await line.identification(0)

    assert [exchange.block for exchange in seen] == [Block(43, first, 2) for first in range(5)]
    assert line.stats.replies == 5


@pytest.mark.integration
async def test_a_device_that_never_comes_to_an_end_is_left() -> None:
    def endless(request: Request) -> Iterable[Chunk]:
        return [(0, request.frame(said([(request.address, b"x")], more=0xFF, following=request.address + 1)))]

    async with asking("tcp", endless) as line:
        assert len(await line.identification(1)) == 16


@pytest.mark.integration
@pytest.mark.parametrize(("code", "asked"), [(1, 1), (2, 2), (3, 2), (11, 1)])
async def test_a_device_without_the_regular_objects_is_asked_for_the_basic_ones(code: int, asked: int) -> None:
    async with rig("tcp", lambda request: [(0, request.refusal(code))]) as device:
        line = Line("test", parse_endpoint(device.url), timeout_s=0.5, pause_s=0)
        with pytest.raises(Refused) as caught:
            await line.identification(1)
        await line.close()

    assert caught.value.code == code
    assert [request.count for request in device.requests] == [2, 1][:asked]


@pytest.mark.integration
@pytest.mark.parametrize("transport", PLAIN)
async def test_silence_and_wrong_units_are_told_as_for_a_read(transport: str) -> None:
    async with asking(transport, lambda _: []) as line:
        with pytest.raises(NoReply):
            await line.identification(1)
    async with asking(transport, lambda r: [(0, r.frame(MAKER, unit=2))]) as line:
        with pytest.raises(BadReply, match="a reply of unit 2"):
            await line.identification(1)


@pytest.mark.integration
async def test_another_implementation_says_who_it_is() -> None:
    port = free_port()
    names = {"VendorName": "Works", "ProductCode": "M7", "ModelName": "M-7"}
    identity = ModbusDeviceIdentification(info_name=names)  # type: ignore[no-untyped-call]  # as below
    device = SimDevice(1, simdata=[SimData(0, values=[1], datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(device, address=("127.0.0.1", port), identity=identity)
    await server.serve_forever(background=True)
    line = Line("test", parse_endpoint(f"tcp://127.0.0.1:{port}"), timeout_s=1, pause_s=0)
    try:
        async with asyncio.timeout(5):
            found = await line.identification(1)
    finally:
        await line.close()
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus left the annotation out

    assert (found[0], found[1], found[5]) == ("Works", "M7", "M-7")
