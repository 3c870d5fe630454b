"""Captures that others made: exchanges are put together from packets."""

import asyncio
import random
import signal
import struct
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from drivers.capture import Captured, Damage, Section, foreign, read_capture
from drivers.capture.encoder import Encoder
from drivers.endpoint import parse_endpoint
from drivers.errors import LineError
from drivers.line import Line
from drivers.reading import Block, Exchange, Outcome
from tests.drivers.capture.exchanges import BOOT, LINES, answered, failed, refused
from tests.modbus_rig import Chunk, Request, rig

CLIENT, DEVICE = (b"\x0a\x14\x00\x01", 51000), (b"\x0a\x14\x00\x05", 502)
LINE = "tcp://10.20.0.5:502"
FIN, SYN, ACK = 1, 2, 16
GOOD = [answered("hall", at, block=Block(3, 10 * at, 1 + at)) for at in range(6)]

Sent = tuple[int, bytes]
"""Time [ns] and an IP packet."""


class Talk:
    """Makes the IP packets of one connection."""

    def __init__(self, client: tuple[bytes, int] = CLIENT, device: tuple[bytes, int] = DEVICE) -> None:
        self.client, self.device = client, device
        self.sequence = {client: 0xFFFFFFF0, device: 77}  # one of them turns over
        self.now_ns = 1_795_912_345_000_000_000
        self.sent: list[Sent] = []

    def send(self, source: tuple[bytes, int], payload: bytes = b"", flags: int = ACK) -> None:
        target = self.device if source == self.client else self.client
        self.sent.append((self.now_ns, ip(source, target, self.sequence[source], payload, flags)))
        self.sequence[source] = (self.sequence[source] + len(payload) + bool(flags & (SYN | FIN))) % 2**32
        self.now_ns += 1_000_123

    def open(self) -> "Talk":
        self.send(self.client, flags=SYN)
        self.send(self.device, flags=SYN | ACK)
        self.send(self.client)
        return self

    def exchange(self, exchange: Exchange) -> None:
        self.send(self.client, exchange.request)
        if exchange.reply:
            self.send(self.device, exchange.reply)


def ip(source: tuple[bytes, int], target: tuple[bytes, int], sequence: int, payload: bytes, flags: int) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], sequence, 0, 0x50, flags, 64240, 0, 0) + payload
    if len(source[0]) == 4:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + source[0] + target[0] + tcp
    return struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + source[0] + target[0] + tcp


def pcap(
    packets: Iterable[Sent], link: int = 101, *, head: bytes = b"", order: str = "<", unit_ns: int = 1000
) -> bytes:
    magic = 0xA1B2C3D4 if unit_ns == 1000 else 0xA1B23C4D
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for time_ns, packet in packets:
        data = head + packet
        seconds, rest = divmod(time_ns, 10**9)
        parts += [struct.pack(f"{order}IIII", seconds, rest // unit_ns, len(data), len(data)), data]
    return b"".join(parts)


def exchanges(path: Path, content: bytes | None = None) -> list[Exchange]:
    if content is not None:
        path.write_bytes(content)
    head, *items = read_capture([path])
    assert head == Section(path, ours=False)
    assert not any(isinstance(item, Damage) for item in items)
    return [item.exchange for item in items if isinstance(item, Captured)]


def content(exchange: Exchange) -> tuple[object, ...]:
    return (exchange.unit, exchange.block, exchange.request, exchange.reply, exchange.data, exchange.outcome)


def conversation(*more: Exchange) -> Talk:
    talk = Talk().open()
    for exchange in (*GOOD, *more):
        talk.exchange(exchange)
    return talk


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("unit_ns", [1, 1000])
def test_requests_and_replies_are_paired_with_their_times(order: str, unit_ns: int, tmp_path: Path) -> None:
    talk = conversation(refused("hall", 9, code=4))
    found = exchanges(tmp_path / "a.pcap", pcap(talk.sent, order=order, unit_ns=unit_ns))
    assert [*map(content, found)] == [*map(content, (*GOOD, refused("hall", 9, code=4)))]
    assert {(exchange.line, exchange.poll, exchange.attempt) for exchange in found} == {(LINE, 0, 1)}
    assert found[-1].exception == 4
    times = [time_ns // unit_ns * unit_ns for time_ns, _ in talk.sent[3:]]
    assert [exchange.sent_ns for exchange in found] == times[::2]
    assert [exchange.received_ns for exchange in found] == [exchange.time_ns for exchange in found] == times[1::2]


HEADS = {
    1: bytes(12) + b"\x08\x00",
    113: bytes(14) + b"\x08\x00",
    276: b"\x08\x00" + bytes(18),
    0: b"\x02\0\0\0",
    108: b"\0\0\0\x02",
    12: b"",
    228: b"",
}


@pytest.mark.parametrize("link", HEADS)
def test_every_usual_kind_of_interface_is_read(link: int, tmp_path: Path) -> None:
    found = exchanges(tmp_path / "a.pcap", pcap(conversation().sent, link, head=HEADS[link]))
    assert [*map(content, found)] == [*map(content, GOOD)]


def test_tags_of_virtual_networks_and_the_padding_of_short_frames_are_left_out(tmp_path: Path) -> None:
    head = bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x07\x08\x00"
    packets = [(time_ns, packet + bytes(6)) for time_ns, packet in conversation().sent]
    assert [*map(content, exchanges(tmp_path / "a.pcap", pcap(packets, 1, head=head)))] == [*map(content, GOOD)]


def test_what_is_no_tcp_is_passed_over(tmp_path: Path) -> None:
    other = [b"", b"\x45", bytes(40), b"\x45" + bytes(8) + b"\x11" + bytes(30), b"\x60" + bytes(5), b"\x60" + bytes(60)]
    packets = [*conversation().sent, *((1, packet) for packet in other)]
    assert len(exchanges(tmp_path / "a.pcap", pcap(packets))) == len(GOOD)


def test_ipv6_is_read(tmp_path: Path) -> None:
    talk = Talk((bytes(15) + b"\x01", 40000), (bytes(15) + b"\x02", 502)).open()
    talk.exchange(GOOD[0])
    (found,) = exchanges(tmp_path / "a.pcap", pcap(talk.sent))
    assert (found.line, found.data) == ("tcp://[::2]:502", GOOD[0].data)


@pytest.mark.parametrize("seed", range(20))
def test_packets_repeated_late_or_in_pieces_change_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - a course of events, no secret
    talk = Talk().open()
    for exchange in GOOD:
        for source, frame in ((talk.client, exchange.request), (talk.device, exchange.reply)):
            cut = chance.randrange(1, len(frame))
            before = talk.sequence[source]
            pieces = [(before, frame[:cut]), (before + cut, frame[cut:])]
            pieces += chance.sample([*pieces, (before, frame)], chance.randrange(3))
            if chance.random() < 0.5:
                pieces.reverse()
            target = talk.device if source == talk.client else talk.client
            for sequence, payload in pieces:
                talk.sent.append((talk.now_ns, ip(source, target, sequence % 2**32, payload, ACK)))
            talk.sequence[source] = (before + len(frame)) % 2**32
            talk.now_ns += 1_000_000
    assert [*map(content, exchanges(tmp_path / "a.pcap", pcap(talk.sent)))] == [*map(content, GOOD)]


def test_a_capture_that_begins_in_the_middle_finds_its_feet(tmp_path: Path) -> None:
    sent = conversation().sent
    assert [*map(content, exchanges(tmp_path / "a.pcap", pcap(sent[4:])))] == [*map(content, GOOD[1:])]


def test_a_port_that_is_not_the_usual_one_is_known_by_who_connects(tmp_path: Path) -> None:
    talk = Talk((b"\x7f\0\0\1", 1502), (b"\x7f\0\0\1", 40000)).open()
    talk.exchange(GOOD[0])
    (found,) = exchanges(tmp_path / "a.pcap", pcap(talk.sent))
    assert (found.line, found.outcome) == ("tcp://127.0.0.1:40000", Outcome.OK)


def test_what_stays_without_a_reply_is_told_when_that_is_certain(tmp_path: Path) -> None:
    talk = conversation()
    lost = [answered("hall", at) for at in (20, 21, 22)]
    talk.send(talk.client, lost[0].request)
    talk.now_ns += 61_000_000_000
    talk.exchange(GOOD[0])
    talk.send(talk.client, lost[1].request)
    talk.send(talk.device, flags=FIN | ACK)
    again = Talk((CLIENT[0], 51001)).open()
    again.send(again.client, lost[2].request)
    found = exchanges(tmp_path / "a.pcap", pcap([*talk.sent, *again.sent]))[len(GOOD) :]
    assert [(exchange.request, exchange.outcome) for exchange in found] == [
        (lost[0].request, Outcome.NO_REPLY),
        (GOOD[0].request, Outcome.OK),
        (lost[1].request, Outcome.LINE_DOWN),
        (lost[2].request, Outcome.NO_REPLY),
    ]


def test_a_reply_that_does_not_fit_is_no_answer(tmp_path: Path) -> None:
    talk = Talk().open()
    talk.send(talk.client, GOOD[2].request)
    talk.send(talk.device, GOOD[2].request[:2] + GOOD[3].reply[2:])
    (found,) = exchanges(tmp_path / "a.pcap", pcap(talk.sent))
    assert (found.outcome, found.data) == (Outcome.BAD_REPLY, b"")


def test_other_traffic_gives_nothing_and_does_no_harm(tmp_path: Path) -> None:
    chance = random.Random(3)  # noqa: S311 - noise, no secret
    web = Talk((CLIENT[0], 40001), (DEVICE[0], 80)).open()
    for _ in range(100):
        web.send(web.client, chance.randbytes(200))
        web.send(web.device, chance.randbytes(900))
    writing = Talk((CLIENT[0], 40002)).open()
    body = bytes.fromhex("000100000006010600010003")
    writing.send(writing.client, body)
    writing.send(writing.device, body)
    assert exchanges(tmp_path / "a.pcap", pcap([*web.sent, *writing.sent])) == []


def test_any_number_of_connections_takes_no_more_memory_than_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "_MOST_CONNECTIONS", 10)
    talks = [Talk(client=(b"\x0a\x14\x00\x01", 20_000 + number)).open() for number in range(100)]
    most = 0
    assembler = foreign.Assembler()
    for talk in talks:
        for time_ns, packet in talk.sent:
            assert not [*assembler.packet(101, time_ns, packet)]
            most = max(most, len(assembler._connections))
    assert most == 10

    asked = conversation(answered("hall", 7))
    busy = [packet for talk in talks for packet in talk.sent]
    found = exchanges(tmp_path / "a.pcap", pcap([*asked.sent[:9], *busy, *asked.sent[9:]]))
    assert [*map(content, found)] == [*map(content, (*GOOD, answered("hall", 7)))]


def test_a_compressed_capture_and_a_pcapng_of_wireshark_are_read_too(tmp_path: Path) -> None:
    raw = pcap(conversation().sent, unit_ns=1)
    packed = tmp_path / "a.pcap.zst"
    packed.write_bytes(zstandard.ZstdCompressor().compress(raw))
    plain = exchanges(tmp_path / "a.pcap", raw)
    assert exchanges(packed) == plain
    subprocess.run(["editcap", "-F", "pcapng", tmp_path / "a.pcap", tmp_path / "a.pcapng"], check=True)
    assert exchanges(tmp_path / "a.pcapng") == plain


def test_our_own_packets_are_read_like_those_of_others_once_their_comments_are_gone(tmp_path: Path) -> None:
    encoder = Encoder({"hall": LINES["hall"]}, BOOT)
    ours = [*GOOD, failed("hall", Outcome.NO_REPLY, 8)]
    head = encoder.begin(site="works", configuration="", version="1")
    (tmp_path / "a.pcapng").write_bytes(head + b"".join(encoder.exchange(exchange, "") for exchange in ours))
    subprocess.run(["editcap", "-F", "nsecpcap", tmp_path / "a.pcapng", tmp_path / "b.pcap"], check=True)
    found = exchanges(tmp_path / "b.pcap")
    assert [*map(content, found)] == [*map(content, ours)]
    assert [exchange.time_ns for exchange in found[:-1]] == [exchange.time_ns for exchange in GOOD]


@pytest.mark.parametrize("size", [0, 3, 30, 50])
def test_a_capture_cut_off_says_so(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(conversation().sent)[:size])
    assert isinstance([*read_capture([path])][-1], Damage)


def _moody(request: Request) -> Sequence[Chunk]:
    if request.address == 3:
        return []
    return [(0.001, request.refusal(2) if request.address == 5 else request.reply())]


@pytest.mark.integration
async def test_what_tcpdump_sees_equals_what_the_line_did(tmp_path: Path) -> None:
    seen: list[Exchange] = []
    path = tmp_path / "seen.pcap"
    async with rig("tcp", _moody) as device:
        port = device.url.rpartition(":")[2]
        options = ("-i", "lo", "--immediate-mode", "-U", "-w", path, "tcp", "port", port)
        dump = await asyncio.create_subprocess_exec("tcpdump", *options, stderr=asyncio.subprocess.PIPE)
        assert dump.stderr
        said = await dump.stderr.readline()
        if b"permission" in said:
            await dump.wait()
            pytest.skip("tcpdump may not listen here: it needs root or CAP_NET_RAW")
        line = Line("hall", parse_endpoint(device.url), timeout_s=0.1, pause_s=0, on_exchange=seen.append)
        for address in range(8):
            with suppress(LineError):  # what came of it stands in the exchange
                await line.read(1, Block(3, address, 2))
        await line.close()
        await asyncio.sleep(0.3)
        dump.send_signal(signal.SIGINT)
        await dump.communicate()
    found = exchanges(path)
    assert sorted(map(content, found), key=_place) == sorted(map(content, seen), key=_place)
    assert {exchange.line for exchange in found} == {device.url}
    stamped = {exchange.request: exchange.time_ns for exchange in found if exchange.reply}
    apart_ns = [abs(exchange.time_ns - stamped[exchange.request]) for exchange in seen if exchange.reply]
    assert len(apart_ns) == 7
    assert max(apart_ns) < 1_000_000_000


def _place(told: tuple[object, ...]) -> str:
    return str(told[1])
