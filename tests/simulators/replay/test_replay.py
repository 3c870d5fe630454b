"""A capture on the wire: served by the command, read by mbpoll and by the agent's own line."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.config import SiteConfig
from agent.service import Agent
from drivers.capture import Captured, read_capture
from drivers.capture.encoder import Encoder
from drivers.endpoint import parse_endpoint
from drivers.errors import BadReply, LineDown, NoReply, Refused
from drivers.line import Line
from drivers.reading import Block, Exchange, Outcome
from simulators.cli import main
from tests.agent.frames import configured
from tests.agent.running import running, until
from tests.agent.test_capturing import SITE
from tests.drivers.capture.exchanges import BOOT, LINES, answered, framed
from tests.modbus_rig import rig

pytestmark = pytest.mark.integration

BLOCK = Block(3, 16, 2)
SECOND_NS = 10**9


def counting(line: str, seconds: int) -> list[Exchange]:
    """Return a device whose two registers tell the second of the capture, asked once a second."""
    return [at(line, second, registers=second.to_bytes(4, "big")) for second in range(seconds)]


def at(line: str, second: float, *, block: Block = BLOCK, unit: int = 1, registers: bytes = b"") -> Exchange:
    first = answered(line, 0, block=block, unit=unit, registers=registers)
    shift_ns = int(second * SECOND_NS)
    return replace(
        first,
        sent_ns=first.sent_ns + shift_ns,
        received_ns=first.received_ns + shift_ns,
        time_ns=first.time_ns + shift_ns,
    )


def capture(path: Path, exchanges: Iterable[Exchange]) -> Path:
    encoder = Encoder(LINES, BOOT)
    head = encoder.begin(site="works", configuration="", version="1")
    path.write_bytes(head + b"".join(encoder.exchange(exchange, "synchronised") for exchange in exchanges))
    return path


@contextmanager
def replaying(*arguments: str | Path) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    command = [sys.executable, "-m", "simulators.cli", "replay", "--json", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def mbpoll(url: str, *options: str) -> list[int]:
    """Return what mbpoll reads of unit 1 from holding register 16 (counted from 0) on, in one go."""
    place = ["-m", "tcp", "-p", url.rpartition(":")[2], "127.0.0.1"]
    if url.startswith("rtu:"):
        path = url.removeprefix("rtu://").partition("?")[0]
        place = ["-m", "rtu", "-b", "19200", "-P", "even", path]
    command = ["mbpoll", "-a", "1", "-0", "-r", "16", "-c", "2", "-t", "4", "-1", *options, *place]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    return [int(value) for value in re.findall(r"^\[\d+\]:\s+(\d+)", said, re.MULTILINE)]


@pytest.mark.parametrize(("line", "speed"), [("hall", 1), ("hall", 20), ("bus", 1)])
def test_mbpoll_reads_the_captured_registers_at_the_captured_times(line: str, speed: int, tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcapng", counting(line, 1000))
    place = ["--serial", str(tmp_path / "line")] if line == "bus" else []
    with replaying(path, "--speed", str(speed), *place) as (_, body):
        (served,) = body["lines"]
        began = seconds_of(body["began"])
        seen = []
        for _ in range(4):
            before = (time.time() - began) * speed
            high, low = mbpoll(served["url"])
            after = (time.time() - began) * speed
            second = high << 16 | low
            # What was asked for in between is the newest that had been captured by then.
            assert int(before) - 1 <= second <= after
            seen.append(second)
            time.sleep(0.4)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_a_replay_begins_where_it_is_told(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcapng", counting("hall", 5000))
    first_ns = counting("hall", 1)[0].time_ns
    moment = datetime.fromtimestamp(first_ns / 1e9 + 4000).astimezone().isoformat()
    with replaying(path, "--at", moment) as (_, body):
        assert mbpoll(body["lines"][0]["url"])[1] in range(4000, 4010)
        assert seconds_of(body["at"]) == pytest.approx(first_ns / 1e9 + 4000, abs=0.01)


def test_registers_that_were_never_captured_are_refused(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcapng", counting("hall", 100))
    with replaying(path) as (_, body):
        assert mbpoll(body["lines"][0]["url"], "-r", "17") == []


async def test_refusals_silence_wrong_replies_and_broken_connections_come_again(tmp_path: Path) -> None:
    blocks = [Block(3, 10 * number, 2) for number in range(6)]
    refusal = replace(at("hall", 0, block=blocks[1]), outcome=Outcome.EXCEPTION, data=b"", exception=6)
    refusal = replace(refusal, reply=framed(b"\x01\x83\x06", serial=False, transaction=2))
    wrong = replace(at("hall", 0, block=blocks[2]), outcome=Outcome.BAD_REPLY, data=b"")
    wrong = replace(wrong, reply=wrong.request[:2] + bytes.fromhex("000000050103020001"))
    late = at("hall", 0, block=blocks[3], registers=b"late")
    late = replace(late, received_ns=late.received_ns + SECOND_NS // 5, time_ns=late.time_ns + SECOND_NS // 5)
    lost = replace(at("hall", 0, block=blocks[0], unit=2), outcome=Outcome.NO_REPLY, reply=b"", data=b"")
    good = at("hall", 0, block=blocks[4], registers=b"good")
    down = replace(at("converter", 0), outcome=Outcome.LINE_DOWN, reply=b"", data=b"")
    last = [at(line, 1000) for line in ("hall", "converter")]
    path = capture(tmp_path / "a.pcapng", [refusal, wrong, late, lost, good, down, *last])
    with replaying(path) as (_, body):
        urls = {line["line"]: line["url"] for line in body["lines"]}
        assert urls["converter"].startswith("rtu+tcp://")
        hall = Line("hall", parse_endpoint(urls["hall"]), timeout_s=0.4, pause_s=0)
        assert (await hall.read(1, blocks[4])).data == b"good"
        with pytest.raises(Refused) as refused:
            await hall.read(1, blocks[1])
        assert refused.value.code == 6
        with pytest.raises(BadReply):
            await hall.read(1, blocks[2])
        slow = await hall.read(1, blocks[3])
        assert slow.data == b"late"
        assert slow.received_ns - slow.sent_ns > SECOND_NS // 5
        with pytest.raises(NoReply):
            await hall.read(2, blocks[0])
        await hall.close()
        converter = Line("converter", parse_endpoint(urls["converter"]), timeout_s=0.4, pause_s=0)
        with pytest.raises(LineDown):
            await converter.read(1, BLOCK)
        await converter.close()


def test_a_replay_ends_with_its_capture_and_logs_what_it_served(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcapng", counting("hall", 60))
    log = tmp_path / "served.jsonl"
    with replaying(path, "--speed", "30", "--served", log) as (process, body):
        words = mbpoll(body["lines"][0]["url"])
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")
    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["line"], line["unit"], line["address"], line["data"]) == (
        "hall",
        1,
        16,
        f"{words[0]:04x}{words[1]:04x}",
    )


def test_a_replay_is_ended_by_a_signal(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcapng", counting("hall", 1000))
    with replaying(path) as (process, _):
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_a_thousand_times_real_time_is_kept(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcapng", counting("hall", 5000))
    with replaying(path, "--speed", "1000") as (process, body):
        began = time.time()
        assert process.wait(timeout=30) == 0
    assert body["exchanges"] == 5000
    assert time.time() - began > 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.pcapng"], "missing.pcapng: No such file or directory"),
        (["."], "holds no capture"),
        (["two.pcapng", "--serial", "line"], "--serial carries one line: choose one with --line: hall, bus"),
        (["two.pcapng", "--line", "yard"], "there is no line 'yard' in the capture: it has hall, bus"),
        (["two.pcapng", "--at", "2020-01-01T00:00:00Z"], "--at: the capture goes from 2026-11-29T"),
        (["none.pcapng"], "there is no exchange in the capture"),
    ],
)
def test_what_cannot_be_replayed_gets_one_clear_line(
    arguments: Sequence[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    capture(tmp_path / "two.pcapng", [at("hall", 0), at("bus", 0)])
    capture(tmp_path / "none.pcapng", [])
    monkeypatch.chdir(tmp_path / "empty" if arguments == ["."] else tmp_path)
    assert main(["replay", *arguments]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def test_a_damaged_capture_is_served_as_far_as_it_goes(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcapng", counting("hall", 100))
    path.write_bytes(path.read_bytes()[:-10])
    with replaying(path) as (process, body):
        assert body["exchanges"] == 99
        process.terminate()
        assert "a.pcapng: the file ends within a block" in process.communicate(timeout=10)[1]


@pytest.mark.parametrize("transport", ["tcp", "rtu+tcp"])
async def test_an_agent_reads_from_a_replay_what_another_read_from_the_devices(transport: str, tmp_path: Path) -> None:
    counter = iter(range(1, 10_000))
    async with rig(transport, lambda request: [(0, request.reply([next(counter)] * request.count))]) as device:
        folder = tmp_path / "then"
        folder.mkdir()
        async with running(Agent(site(folder, device.url))):
            await until(lambda: len(device.requests) > 30)
    then = captured(folder)
    again = tmp_path / "now"
    again.mkdir()
    with replaying(folder / "capture") as (_, body):
        agent = Agent(site(again, body["lines"][0]["url"]))
        async with running(agent):
            await until(lambda: agent.capture.status.exchanges > 20)
    now = captured(again)
    sequence = [exchange.data for exchange in then if exchange.outcome is Outcome.OK]
    values = [exchange.data for exchange in now if exchange.outcome is Outcome.OK]
    assert len(values) > 10
    places = [sequence.index(value) for value in values]
    assert places == sorted(places)


def site(folder: Path, url: str) -> SiteConfig:
    return configured(folder, SITE.format(url=url, mode="full", directory="capture"))


def captured(folder: Path) -> list[Exchange]:
    return [item.exchange for item in read_capture([folder / "capture"]) if isinstance(item, Captured)]
