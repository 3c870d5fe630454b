"""The command `energy-simulators replay`: its arguments, and serving a capture until it ends."""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from drivers.capture import Damage
from drivers.endpoint import parse_endpoint
from drivers.reading import Block, Outcome
from simulators.description import LineEntry
from simulators.framing import Framing, Request
from simulators.replay.course import CapturedLine, Course
from simulators.replay.past import Answer
from simulators.server import Receive, Send, Served, serve

_FASTEST = 1000.0
_READS = (1, 2, 3, 4)
_READ_PDU, _IDENTIFY_PDU = 5, 4
_IDENTIFY = bytes((43, 14))
_ILLEGAL_FUNCTION, _ILLEGAL_VALUE, _TARGET_SILENT = 1, 3, 11
_BEAT_S = 0.01
_NARROWEST = 110

OnServed = Callable[[Served], None]


class NotReplayed(Exception):
    """Raised when what is asked for does not fit the capture: what, and what to do."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what this command takes; what all commands take is the caller's."""
    command.description = "Serve a capture as live devices: every line on a port of its own."
    command.add_argument("captures", metavar="CAPTURE", nargs="+", type=Path, help="files, or directories of them")
    command.add_argument("--speed", type=_speed, default=1.0, help="seconds of the capture per second, 1 to 1000")
    command.add_argument("--at", metavar="TIME", type=_time, help="begin at this time of the capture (RFC 3339)")
    command.add_argument("--line", metavar="NAME", help="serve this line alone")


def _speed(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 1.0 <= float(text) <= _FASTEST:
            return float(text)
    raise argparse.ArgumentTypeError(f"'{text}' is no speed from 1 to {_FASTEST:g}")


def _time(text: str) -> int:
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return round(moment.timestamp() * 1e6) * 1000
    raise argparse.ArgumentTypeError(f"'{text}' is no time with its zone: write such as 2026-11-24T08:00:00+08:00")


class Answering:
    """Answers the requests of one line as its devices did."""

    def __init__(self, course: Course, line: CapturedLine, on_served: OnServed | None) -> None:
        self._course = course
        self._line = line
        self._on_served = on_served

    def connected(self, send: Send) -> Receive:
        """Return what answers a connection, as late as the devices did."""
        loop = asyncio.get_running_loop()

        def receive(framing: Framing, data: bytes) -> None:
            for request in framing.feed(data, time.monotonic()):
                self._course.advance()
                answer = self._answer(request)
                if answer.outcome is Outcome.LINE_DOWN:
                    send(None)
                elif answer.outcome is not Outcome.NO_REPLY:
                    delay_s = self._course.scaled_s(answer.delay_s)
                    loop.call_later(delay_s, self._reply, send, framing, request, answer)

        return receive

    def _answer(self, request: Request) -> Answer:
        block = _asked(request.pdu)
        if block is None:
            code = _ILLEGAL_VALUE if request.pdu[0] in _READS else _ILLEGAL_FUNCTION
            return Answer(Outcome.EXCEPTION, exception=code)
        return self._line.past.answer(request.unit, block)

    def _reply(self, send: Send, framing: Framing, request: Request, answer: Answer) -> None:
        if answer.outcome is Outcome.BAD_REPLY:
            send(_wrong(request, answer))
            return
        function = request.pdu[0]
        if answer.outcome is Outcome.EXCEPTION:
            if answer.exception == _TARGET_SILENT and not framing.answers_for_strangers:
                return
            pdu = bytes((function | 0x80, answer.exception))
        elif function in _READS:
            pdu = bytes((function, len(answer.data))) + answer.data
        else:
            pdu = _IDENTIFY + answer.data
        send(framing.reply(request, pdu))
        block = _asked(request.pdu)
        if self._on_served and block and answer.outcome is Outcome.OK:
            self._on_served(Served(time.time_ns(), self._line.name, request.unit, block, answer.data))


def _asked(pdu: bytes) -> Block | None:
    if pdu[0] in _READS and len(pdu) == _READ_PDU:
        return Block(pdu[0], int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big"))
    if pdu[:2] == _IDENTIFY and len(pdu) == _IDENTIFY_PDU:
        return Block(pdu[0], pdu[3], pdu[2])
    return None


def _wrong(request: Request, answer: Answer) -> bytes:
    """Return the bytes that came instead of a reply; a number that was that of the request is that of this one."""
    asked, came = answer.wrong
    numbered = request.transaction and came[:2] == asked[:2]
    return request.transaction + came[2:] if numbered else came


@contextlib.asynccontextmanager
async def serving(
    arguments: argparse.Namespace, on_served: OnServed | None, ended: asyncio.Event
) -> AsyncIterator[None]:
    """Serve a capture and say where; set `ended` when it is over; raise NotServed, NotReplayed or CaptureError."""
    course = Course(arguments.captures, speed=arguments.speed, on_damage=_warn)
    lines = _chosen(course, arguments)
    if arguments.at is not None and not course.first_ns <= arguments.at <= course.last_ns:
        raise NotReplayed(f"--at: the capture goes from {_text(course.first_ns)} to {_text(course.last_ns)}")
    course.begin(arguments.at)
    async with contextlib.AsyncExitStack() as stack:
        urls = {}
        for name, line in lines.items():
            place = _place(line, arguments.serial)
            urls[name] = await stack.enter_async_context(serve(place, Answering(course, line, on_served)))
        (_print_json if arguments.json else _print)(course, lines, urls, arguments)
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(_beat(course, ended), name="course of the capture")
            yield
            beating.cancel()


async def _beat(course: Course, ended: asyncio.Event) -> None:
    """Let time go by, also while nobody asks."""
    while not course.ended:  # noqa: ASYNC110 - it is this that makes time go by
        await asyncio.sleep(_BEAT_S if course.advance() else 0)
    ended.set()


def _chosen(course: Course, arguments: argparse.Namespace) -> dict[str, CapturedLine]:
    if not course.lines:
        raise NotReplayed("there is no exchange in the capture: name one of an agent, or of traffic on TCP port 502")
    names = ", ".join(course.lines)
    if arguments.line is not None:
        if arguments.line not in course.lines:
            raise NotReplayed(f"--line: there is no line '{arguments.line}' in the capture: it has {names}")
        return {arguments.line: course.lines[arguments.line]}
    if arguments.serial is not None and len(course.lines) > 1:
        raise NotReplayed(f"--serial carries one line: choose one with --line: {names}")
    return course.lines


def _place(line: CapturedLine, serial: str | None) -> LineEntry:
    if serial is not None:
        port = {}
        if line.url.startswith("rtu://"):
            then = parse_endpoint(line.url)
            port = {"baud": then.baud, "parity": then.parity, "stop": then.stop}
        return LineEntry.model_validate({"name": "serial", "kind": "serial", "path": serial, **port})
    return LineEntry(name="line", kind="rtu+tcp" if line.serial else "tcp", port=0)


def _warn(damage: Damage) -> None:
    sys.stderr.write(f"{damage.path}: {damage.reason} (byte {damage.offset}): served is what stands before\n")


def _text(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="microseconds")


def _print_json(
    course: Course, lines: Mapping[str, CapturedLine], urls: Mapping[str, str], arguments: argparse.Namespace
) -> None:
    body: dict[str, Any] = {
        "from": _text(course.first_ns),
        "to": _text(course.last_ns),
        "at": _text(course.began_ns),
        "began": _text(time.time_ns() - (time.monotonic_ns() - course.started_ns)),
        "speed": arguments.speed,
        "exchanges": course.exchanges,
        "lines": [
            {"line": name, "url": urls[name], "captured": line.url, "units": sorted(line.past.units)}
            for name, line in lines.items()
        ],
    }
    sys.stdout.write(orjson.dumps(body).decode() + "\n")
    sys.stdout.flush()


def _print(
    course: Course, lines: Mapping[str, CapturedLine], urls: Mapping[str, str], arguments: argparse.Namespace
) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(_NARROWEST, console.width))
    span = f"{_text(course.began_ns)} to {_text(course.last_ns)}"
    console.print(f"{span}, {arguments.speed:g} times real time", soft_wrap=True)
    for name, line in lines.items():
        units = ", ".join(map(str, sorted(line.past.units)))
        console.print(f"{name}: {urls[name]} (then {line.url}), units {units}", soft_wrap=True)
    console.print("serving until the capture ends, or Ctrl-C")
