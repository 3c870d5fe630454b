"""What Wireshark makes of our files, with no setting changed."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.capture import CaptureWriter, Note
from drivers.reading import Block, Exchange, Outcome
from tests.drivers.capture.exchanges import BOOT, LINES, START_NS, answered, mixed, of_every_kind, refused

pytestmark = pytest.mark.integration

NOTE = Note("interval", START_NS, 5, {"hash": "sha256:1"})


def captured(directory: Path, exchanges: Iterable[Exchange], *notes: Note) -> Path:
    writer = CaptureWriter(directory, site="works", version="1", boot_id=BOOT, max_size=1 << 30)
    writer.configure("sha256:abc", LINES)
    writer.start()
    for exchange in exchanges:
        writer.exchange(exchange)
    for note in notes:
        writer.note(note)
    writer.close()
    (path,) = directory.iterdir()
    return path


def tshark(path: Path, *arguments: str) -> str:
    done = subprocess.run(["tshark", "-n", "-r", path, *arguments], capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if "Running as user" not in line] == []
    return done.stdout


def fields(path: Path, *names: str, where: str = "frame") -> list[list[str]]:
    wanted = [part for name in names for part in ("-e", name)]
    return [line.split("\t") for line in tshark(path, "-Y", where, "-T", "fields", *wanted).splitlines()]


def test_no_packet_is_malformed_and_none_sent_again(tmp_path: Path) -> None:
    exchanges = [exchange for line in LINES for exchange in (*of_every_kind(line), *of_every_kind(line))]
    path = captured(tmp_path, [*exchanges, *mixed(1000)], NOTE)
    assert path.suffix == ".zst"
    for wrong in ("_ws.malformed", "tcp.analysis.flags", "_ws.expert.severity >= 6291456", "_ws.unreassembled"):
        assert tshark(path, "-Y", wrong) == "", wrong


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("function", [3, 4])
def test_registers_are_decoded_with_their_addresses(line: str, function: int, tmp_path: Path) -> None:
    exchanges = [answered(line, at, block=Block(function, 100 + 7 * at, 1 + at % 9)) for at in range(20)]
    path = captured(tmp_path, exchanges)
    assert fields(path, "modbus.regnum16", "modbus.regval_uint16", where="modbus.regval_uint16") == [
        [
            ",".join(str(exchange.block.address + place) for place in range(exchange.block.count)),
            ",".join(str(int.from_bytes(exchange.data[at : at + 2], "big")) for at in range(0, len(exchange.data), 2)),
        ]
        for exchange in exchanges
    ]


@pytest.mark.parametrize("line", LINES)
def test_bits_and_exceptions_are_decoded(line: str, tmp_path: Path) -> None:
    bits = replace(answered(line, 0, block=Block(1, 19, 11), registers=b"\x05\x04"))
    path = captured(tmp_path, [bits, refused(line, 1, code=4)])
    (row,) = fields(path, "modbus.bitnum", "modbus.bitval", where="modbus.bitval")
    assert row[0].split(",")[:11] == [str(bit) for bit in range(19, 30)]
    assert row[1].split(",")[:11] == list("10100000001")
    assert fields(path, "modbus.exception_code", where="modbus.exception_code") == [["4"]]


def test_packets_carry_time_line_and_what_came_of_them(tmp_path: Path) -> None:
    failed = [exchange for exchange in of_every_kind("hall") if exchange.outcome is Outcome.NO_REPLY]
    path = captured(tmp_path, [answered("bus"), *failed])
    names = (
        "frame.time_epoch",
        "frame.interface_name",
        "frame.interface_description",
        "frame.comment",
        "frame.p2p_dir",
    )
    sent, received, lost = fields(path, *names)
    good = answered("bus")
    behind_ns = good.time_ns - good.received_ns
    seconds, fraction = divmod(good.time_ns, 10**9)
    assert received[0] == f"{seconds}.{fraction:09}"
    assert received[1:3] == ["bus", "rtu:///dev/ttyUSB0?baud=19200&parity=E"]
    assert sent[3] == f"boot {BOOT[:8]}; clock unknown; monotonic time - {behind_ns} ns"
    assert received[3] == f"{sent[3]}; poll 1"
    after_ns = failed[0].received_ns - failed[0].sent_ns
    assert lost[3].endswith(f"; attempt 2; no_reply after {after_ns} ns")
    assert (sent[4], received[4]) == ("0", "1")


def test_notes_are_entries_of_the_journal(tmp_path: Path) -> None:
    path = captured(tmp_path, [], NOTE)
    assert fields(path, "systemd_journal.message", where="systemd_journal") == [["interval"]]
    (told,) = fields(path, "systemd_journal.field.value")
    body = json.loads(told[0][told[0].index("{") :])
    assert body == {
        "kind": "interval",
        "time_ns": START_NS,
        "monotonic_ns": 5,
        "body": NOTE.body,
    }


def test_the_head_names_site_configuration_and_version(tmp_path: Path) -> None:
    path = captured(tmp_path, [answered("hall")])
    told = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True).stdout
    assert f"site works; configuration sha256:abc; boot {BOOT}" in told
    assert "energy-agent 1" in told
    assert "nanoseconds" in told
