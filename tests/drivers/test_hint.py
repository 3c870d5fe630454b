import os
import re
from dataclasses import replace

import pytest
from modbus_tk.utils import calculate_crc

from drivers.endpoint import parse_endpoint
from drivers.errors import NoReply
from drivers.hint import LineEvidence, PortErrors, evidence, likely_cause
from drivers.line import Line
from drivers.reading import Block, Exchange, Outcome
from tests.modbus_rig import rig


def rtu(body: bytes) -> bytes:
    return body + int(calculate_crc(body)).to_bytes(2, "big")


REQUEST = rtu(bytes.fromhex("05 03 0010 0002"))
REPLY = rtu(bytes.fromhex("05 03 04 1234 5678"))


def exchange(reply: bytes, outcome: Outcome = Outcome.BAD_REPLY, exception: int = 0) -> Exchange:
    return Exchange("hall", 5, Block(3, 16, 2), REQUEST, reply, b"", 0, 1, 2, outcome, exception)


SILENT = exchange(b"", Outcome.NO_REPLY)
GOOD = exchange(REPLY, Outcome.OK)
BROKEN = exchange(REPLY[:-1] + b"\0")


def hint(*exchanges: Exchange, scheme: str = "rtu", port: PortErrors | None = None) -> str:
    found = likely_cause(evidence(scheme, exchanges, port or PortErrors()))
    return found.text if found else ""


def without_parity(frame: bytes) -> bytes:
    """Return what a receiver without parity makes of even parity: the parity bit is its stop bit."""
    return bytes(byte if byte.bit_count() % 2 else 0 for byte in frame)


def at_half_the_rate(frame: bytes) -> bytes:
    return bytes(byte ^ 0x55 for byte in frame[1::2])


@pytest.mark.parametrize(
    ("received", "cause"),
    [
        (b"", "not one byte comes"),
        (b"\0\0\0\0", "A and B are crossed"),
        (b"\xff\x00\xff", "floating line"),
        (without_parity(REPLY), "the parity is wrong"),
        (at_half_the_rate(REPLY), "try a higher one"),
        (bytes(range(1, 10)), "the baud rate is wrong"),
        (bytes(range(1, 60)), "try a lower one"),
        (b":050304123456787F\r\n", "Modbus ASCII"),
        (REPLY[:-1] + b"\0", "two devices have this unit number"),
        (REQUEST, "only the echo"),
        (REQUEST + b"\0\0", "A and B are crossed"),
        (rtu(b"\x07\x03\x04\0\1\0\2"), "unit 7 answers in place of"),
        (b"\0\1\0\0\0\7\5\3\4\0\1\0\2", "write tcp:// in place of rtu+tcp://"),
    ],
)
def test_what_comes_tells_what_is_wrong(received: bytes, cause: str) -> None:
    failed = exchange(received, Outcome.BAD_REPLY if received else Outcome.NO_REPLY)

    assert cause in hint(failed, failed)


@pytest.mark.parametrize(
    ("port", "cause"),
    [
        (PortErrors(framing=9), "baud rate is wrong"),
        (PortErrors(framing=3, parity=9), "parity is wrong"),
        (PortErrors(framing=3, breaks=9), "A and B are crossed"),
    ],
)
def test_what_the_ports_driver_counts_is_believed_first(port: PortErrors, cause: str) -> None:
    assert cause in hint(exchange(b"\x12\x34"), port=port)


def test_a_line_on_which_others_answer_has_the_right_settings() -> None:
    assert "so its settings are right" in hint(GOOD, SILENT, port=PortErrors(framing=1))
    assert hint(GOOD, GOOD) == ""
    assert hint() == ""


def test_damage_among_good_replies_speaks_of_the_wiring() -> None:
    assert "termination" in hint(*[GOOD] * 4, BROKEN)
    assert hint(*[GOOD] * 20, BROKEN) == ""


def test_strangers_among_good_replies_speak_of_late_answers() -> None:
    assert "later than the time-out" in hint(GOOD, exchange(rtu(b"\x07\x03\x04\0\1\0\2")))


@pytest.mark.parametrize(("code", "cause"), [(11, "behind the gateway"), (10, "behind the gateway"), (2, "profile")])
def test_exceptions_alone_tell_of_a_gateway_or_another_device(code: int, cause: str) -> None:
    assert cause in hint(exchange(b"", Outcome.EXCEPTION, code), SILENT)


def test_a_network_line_is_told_of_the_wrong_scheme_and_of_silence() -> None:
    assert "rtu+tcp://" in hint(exchange(REPLY), scheme="tcp")
    assert "unit number is wrong" in hint(SILENT, scheme="tls")
    assert hint(exchange(b"", Outcome.LINE_DOWN), scheme="tcp") == ""


def test_only_the_last_bytes_are_kept() -> None:
    seen = evidence("rtu", [exchange(bytes((number,)) * 40) for number in range(1, 4)])

    assert seen.raw == b"\2" * 24 + b"\3" * 40
    assert seen.garbage == 3


def test_every_hint_is_there_in_both_languages() -> None:
    blank = LineEvidence()
    seen = [
        replace(blank, silent=1),
        replace(blank, silent=1, scheme="tcp"),
        replace(blank, zeroed=1, raw=b"\1"),
        replace(blank, strangers=(7, 9)),
        replace(blank, accepted=1, silent=1),
    ]
    for found in map(likely_cause, seen):
        assert found is not None
        assert re.search("[\u4e00-\u9fff]{4}", found.text_zh)
        assert not re.search("[\u4e00-\u9fff]", found.text)
    assert "7, 9" in likely_cause(seen[3]).text_zh  # type: ignore[union-attr]  # asserted above


@pytest.mark.integration
async def test_a_line_keeps_the_evidence_of_its_last_exchanges() -> None:
    async with rig("rtu", lambda _: []) as device:
        line = Line("hall", parse_endpoint(device.url), timeout_s=0.01, pause_s=0)
        assert likely_cause(line.evidence) is None
        for _ in range(40):
            with pytest.raises(NoReply):
                await line.read(1, Block(3, 0, 2))
        seen = line.evidence
        await line.close()

    assert seen == LineEvidence(scheme="rtu", silent=32)
    assert line.evidence == seen


@pytest.mark.integration
async def test_what_a_port_counts_begins_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([(3, 4, 5), (10, 4, 6)])
    monkeypatch.setattr("drivers.wire.Wire._counted", lambda _: next(counts))
    master, slave = os.openpty()
    line = Line("hall", parse_endpoint(f"rtu://{os.ttyname(slave)}"), timeout_s=0.01, pause_s=0)
    with pytest.raises(NoReply):
        await line.read(1, Block(3, 0, 2))
    assert line.evidence.port == PortErrors(framing=7, parity=0, breaks=1)
    await line.close()
    os.close(slave)
    os.close(master)
