import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from drivers.endpoint import parse_endpoint
from drivers.errors import LineDown, LineError, NoReply
from drivers.line import Line
from drivers.reading import Block
from simulators.cli import main
from simulators.description import LineEntry
from simulators.fault.bus import _Sending, _Way, misbehaving_line
from simulators.fault.device import Answer, Misbehaving
from simulators.fault.faults import FAULTS
from simulators.fault.values import doubt
from simulators.framing import Request, RtuFraming

Kind = Literal["tcp", "rtu+tcp", "serial"]
KINDS: tuple[Kind, ...] = ("tcp", "rtu+tcp", "serial")
TIMEOUT_S = 0.25
BLOCK = Block(3, 40, 6)

pytestmark = pytest.mark.integration


@asynccontextmanager
async def served(kind: Kind, on_answer: Callable[[Answer], None] | None = None, **chances: float) -> AsyncIterator[str]:
    units = Misbehaving(range(1, 4), chances, timeout_s=TIMEOUT_S, seed=1)
    async with misbehaving_line(LineEntry(name="line", kind=kind, baud=115200), units, on_answer) as url:
        yield url


@asynccontextmanager
async def opened(url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Line]:
    line = Line("line", parse_endpoint(url), timeout_s=timeout_s, pause_s=0.0)
    try:
        yield line
    finally:
        await line.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_line_without_faults_is_read_like_any_other(kind: Kind) -> None:
    seen: list[Answer] = []
    async with served(kind, seen.append) as url, opened(url) as line:
        for unit in (1, 2, 3):
            exchange = await line.read(unit, BLOCK)
            assert doubt(unit, BLOCK, exchange.data, exchange.sent_ns, exchange.received_ns) == ""
            assert seen[-1].right == exchange.data


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reset_closes_a_network_connection_and_breaks_off_on_a_serial_line(kind: Kind) -> None:
    async with served(kind, reset=1.0) as url, opened(url, timeout_s=1.0) as line:
        with pytest.raises(LineError) as caught:
            await line.read(1, BLOCK)

    assert isinstance(caught.value, LineDown) == (kind != "serial")


async def test_a_late_reply_to_one_connection_reaches_the_next_over_rtu() -> None:
    framing = RtuFraming()
    asked = framing.reply(Request(2, b""), bytes((3, 0, 40, 0, 6)))
    asked_for: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    async with served("rtu+tcp", asked_for.set_result, late=1.0) as url:
        host, port = url.removeprefix("rtu+tcp://").split(":")
        _, first = await asyncio.open_connection(host, int(port))
        first.write(asked)
        right = (await asked_for).right
        first.close()
        reader, second = await asyncio.open_connection(host, int(port))
        late = await reader.readexactly(5 + len(right))
        second.close()

    assert late[3:-2] == right


async def test_behind_a_part_of_a_reply_that_a_busy_machine_held_up_nothing_follows() -> None:
    framing = RtuFraming()
    asked_for: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    async with served("rtu+tcp", asked_for.set_result, slow=1.0) as url:
        host, port = url.removeprefix("rtu+tcp://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(framing.reply(Request(2, b""), bytes((3, 0, 40, 0, 6))))
        whole = b"".join(chunk.data or b"" for chunk in (await asked_for).chunks)
        came = await reader.read(100)
        time.sleep(0.02)  # noqa: ASYNC251 - a busy machine
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * TIMEOUT_S):
                while len(came) < len(whole):
                    came += await reader.read(100)
        writer.close()

    assert whole.startswith(came)
    assert len(came) < len(whole)


@pytest.mark.parametrize("stalled", [False, True])
async def test_replies_that_wait_for_a_late_one_follow_it_in_their_order(
    stalled: bool,  # noqa: FBT001 - a parameter set
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The late one is due when the machine is busy or at the very moment at which the others may begin."""
    monkeypatch.setattr("simulators.fault.bus._OVERDUE_S", 60.0)  # the machine may be busier than this test asks for
    loop = asyncio.get_running_loop()
    sent: list[bytes | None] = []
    way = _Way(sent.append)
    late, other = _Sending(), _Sending()
    due = loop.time() + 0.005
    way.add(due, b"late", late)
    if stalled:
        time.sleep(0.008)  # noqa: ASYNC251 - a busy machine
        way.add(loop.time(), b"next", other)
    else:
        for part in range(40):
            way.add(due, bytes((part,)), other)
    expected = [b"late", *([b"next"] if stalled else (bytes((part,)) for part in range(40)))]
    async with asyncio.timeout(5):
        while len(sent) < len(expected):  # noqa: ASYNC110 - what is sent has no event
            await asyncio.sleep(0.01)

    assert sent == expected


async def test_what_is_still_to_be_sent_when_a_line_ends_is_not_written_into_another_file(tmp_path: Path) -> None:
    asked_for: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    async with served("serial", asked_for.set_result, late=1.0) as url:
        port = os.open(url.removeprefix("rtu://").partition("?")[0], os.O_RDWR | os.O_NOCTTY)
        os.write(port, RtuFraming().reply(Request(2, b""), bytes((3, 0, 40, 0, 6))))
        await asked_for
    os.close(port)
    files = [(tmp_path / str(number)).open("wb") for number in range(4)]  # the line's descriptors, given again
    await asyncio.sleep(1.6 * TIMEOUT_S)
    sizes = [os.fstat(file.fileno()).st_size for file in files]
    for file in files:
        file.close()

    assert sizes == [0] * 4


async def test_silence_is_a_time_out_and_costs_no_other_read() -> None:
    async with served("serial", silence=0.5) as url, opened(url) as line:
        outcomes = []
        for _ in range(12):
            try:
                outcomes.append(bool((await line.read(1, BLOCK)).data))
            except NoReply:
                outcomes.append(False)

    assert set(outcomes) == {True, False}


@pytest.mark.parametrize(
    ("options", "scheme"), [([], "tcp://"), (["--rtu"], "rtu+tcp://"), (["--serial"], "rtu:///dev/pts/")]
)
def test_the_command_says_where_it_serves_what(
    options: list[str], scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["all", "crc=0.5", "--units", "1-3,17", "--seed", "4", "--timeout", "0.2"]
    assert main(["fault", "--json", "--for", "0.05", *chosen, *options]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said.pop("url").startswith(scheme)
    assert said.pop("faults") == {name: 0.5 if name == "crc" else 0.02 for name in FAULTS}
    assert said == {"units": [1, 2, 3, 17], "seed": 4, "timeout_s": 0.2}


def test_the_command_says_how_long_it_serves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "late", "--for", "0.05"]) == 0
    assert "serving for 0.05 s" in capsys.readouterr().out


def test_each_fault_is_explained_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "--list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(FAULTS)
    assert all(FAULTS[line.split()[0]].what in line for line in lines[1:])


def test_an_answer_is_logged_with_what_was_done_to_it() -> None:
    answer = Answer(2, Block(3, 40, 1), b"\x02\x03", ("late",), (), None)

    assert json.loads(answer.to_json("line", 5)) == {
        "time_ns": 5,
        "line": "line",
        "unit": 2,
        "function": 3,
        "address": 40,
        "count": 1,
        "data": "0203",
        "faults": ["late"],
        "right_after_s": None,
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["crs=0.1"], "did you mean 'crc'"),
        (["crc="], "write crc=0.05"),
        (["crc=1.5"], "from 0 to 1"),
        (["--units", "0-3"], "units from 1 to 247"),
        (["--units", "1-99999999999"], "units from 1 to 247"),
        (["--timeout", "0"], "is no time-out"),
        (["--baud", "fast"], "is no baud rate"),
        (["--port", "70000"], "0-65535"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fault", *arguments])

    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert text in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--baud", "9600"], 2, "add --serial"),
        (["--serial", "--rtu"], 2, "leave one of"),
        (["--serial", "{tmp}/file"], 3, "is no serial port"),
        (["--served", "{tmp}/no/log"], 2, "cannot be written"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arguments: list[str], code: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["fault", *[argument.format(tmp=tmp_path) for argument in arguments]]) == code

    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
