"""Simulated lines: Modbus servers over TCP, RTU over TCP and serial ports, several units on each.

Everything runs on one event loop and a reply is made in one go, so a value never changes inside a reply. Framing
and functions are this package's own: what the library the agent reads with gets wrong must show here.
"""

import asyncio
import contextlib
import errno
import logging
import os
import time
import tty
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson
import serial

from drivers.reading import Block
from simulators.description import LineEntry
from simulators.framing import Framing, Garbled, RtuFraming, TcpFraming
from simulators.registers import DEVICE_FAILURE, ILLEGAL_VALUE, Refusal

_log = logging.getLogger(__name__)

_READS = (1, 2, 3, 4)
_READ_PDU = 5
_ILLEGAL_FUNCTION, _TARGET_SILENT = 1, 11
_CHUNK = 4096


class NotServed(Exception):
    """Raised when a line cannot be served: what, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Served:
    """One answered read: `data` are the reply's registers or packed bits; `time_ns` is the wall clock."""

    time_ns: int
    line: str
    unit: int
    block: Block
    data: bytes

    def to_json(self) -> bytes:
        """Return the line of the served log."""
        block = self.block
        return orjson.dumps(
            {
                "time_ns": self.time_ns,
                "line": self.line,
                "unit": self.unit,
                "function": block.function,
                "address": block.address,
                "count": block.count,
                "data": self.data.hex(),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


class Unit:
    """A device on a line; a silent one answers nothing, as if its power were cut."""

    def __init__(self, read: Callable[[Block], bytes]) -> None:
        """Answer with what `read` returns, or with the exception that its Refusal names."""
        self.read = read
        self.silent = False
        self.failing = False
        """Whether its values did not fit its registers when last asked."""


Send = Callable[[bytes | None], None]
"""Sends bytes back; None breaks the connection off, where there is one."""
Receive = Callable[[Framing, bytes], None]
"""Takes bytes that arrived; raises Garbled where the connection cannot be followed any further."""


class Answers(Protocol):
    """What stands on a line."""

    def connected(self, send: Send) -> Receive:
        """Return what takes the bytes of a new connection, or of the serial port."""


class Answering:
    """Answers the requests of one line, whatever carries them."""

    def __init__(self, line: str, units: Mapping[int, Unit], on_served: Callable[[Served], None] | None) -> None:
        self._line = line
        self._units = units
        self._on_served = on_served

    def connected(self, send: Send) -> Receive:
        """Return what answers a connection at once."""

        def receive(framing: Framing, data: bytes) -> None:
            for reply in self.replies(framing, data):
                send(reply)

        return receive

    def replies(self, framing: Framing, data: bytes) -> Iterator[bytes]:
        """Return the bytes to send for bytes that arrived; raise Garbled."""
        for request in framing.feed(data, time.monotonic()):
            unit = self._units.get(request.unit)
            if unit is None:
                answer = _exception(request.pdu, _TARGET_SILENT) if framing.answers_for_strangers else None
            else:
                answer = None if unit.silent else self._answer(request.unit, unit, request.pdu)
            if answer is not None:
                yield framing.reply(request, answer)

    def _answer(self, number: int, unit: Unit, pdu: bytes) -> bytes:
        if pdu[0] not in _READS:
            return _exception(pdu, _ILLEGAL_FUNCTION)
        block = Block(pdu[0], int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big"))
        if len(pdu) != _READ_PDU:
            return _exception(pdu, ILLEGAL_VALUE)
        try:
            data = unit.read(block)
        except Refusal as refusal:
            return _exception(pdu, refusal.code)
        except ValueError as error:
            if not unit.failing:
                _log.warning("unit %d of line %s cannot show its values: %s", number, self._line, error)
            unit.failing = True
            return _exception(pdu, DEVICE_FAILURE)
        unit.failing = False
        if self._on_served:
            self._on_served(Served(time.time_ns(), self._line, number, block, data))
        return bytes([block.function, len(data)]) + data


def _exception(pdu: bytes, code: int) -> bytes:
    return bytes([pdu[0] | 0x80, code])


class _Connection(asyncio.Protocol):
    """One TCP client."""

    def __init__(self, answers: Answers, framing: Framing, connections: set[asyncio.Transport]) -> None:
        self._answers = answers
        self._framing = framing
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio makes no other for streams
        self._transport = transport
        self._connections.add(transport)
        self._receive = self._answers.connected(self._send)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a client may leave as it likes
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._receive(self._framing, data)
        except Garbled as error:
            _log.warning("closed a connection: %s", error)
            self._transport.close()

    def _send(self, data: bytes | None) -> None:
        if data is None:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(data)


@contextlib.asynccontextmanager
async def serve(line: LineEntry, answers: Answers) -> AsyncIterator[str]:
    """Serve a line while the context lasts; give its URL; raise NotServed."""
    if line.kind == "serial":
        with _serial_port(line) as (descriptor, path), _attached(descriptor, answers, line.name):
            yield f"rtu://{path}?baud={line.baud}&parity={line.parity}&stop={line.stop}"
        return
    framing = TcpFraming if line.kind == "tcp" else RtuFraming
    connections: set[asyncio.Transport] = set()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(answers, framing(), connections), line.host, line.port
        )
    except OSError as error:
        raise NotServed(_why_not(line, error)) from error
    host = f"[{line.host}]" if ":" in line.host else line.host
    try:
        yield f"{line.kind}://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for transport in tuple(connections):
            transport.abort()
        await server.wait_closed()


def _why_not(line: LineEntry, error: OSError) -> str:
    place = f"line '{line.name}': {line.host}:{line.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use by another program: end that one, or take another port (0 takes a free one)"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{place} is not permitted: ports below 1024 need rights; take a higher one"
    return f"{place} cannot be served ({error.strerror or error}): check host and port"


@contextlib.contextmanager
def _serial_port(line: LineEntry) -> Iterator[tuple[int, str]]:
    """Open the port at the line's path, or make a pseudo-terminal; give descriptor and the client's path."""
    path = Path(line.path)
    with contextlib.ExitStack() as stack:
        try:
            if not line.path or not path.exists():
                opened = stack.enter_context(_pseudo_terminal(path if line.path else None))
            elif path.is_char_device():
                port = serial.Serial(line.path, line.baud, parity=line.parity, stopbits=line.stop, timeout=0)
                opened = stack.enter_context(port).fileno(), line.path
            else:
                raise NotServed(f"line '{line.name}': {path} exists and is no serial port: give another path")
        except (OSError, serial.SerialException) as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            what = f"line '{line.name}': {line.path or 'a pseudo-terminal'} cannot be opened ({reason})"
            raise NotServed(f"{what}: check the path and your rights to it") from error
        yield opened


@contextlib.contextmanager
def _pseudo_terminal(link: Path | None) -> Iterator[tuple[int, str]]:
    # The slave stays open here, so that the line lives on while clients come and go.
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        path = os.ttyname(slave)
        if link:
            if link.is_symlink():  # left over: it points at a terminal that is gone
                link.unlink()
            link.symlink_to(path)
        try:
            yield master, str(link or path)
        finally:
            if link:
                link.unlink(missing_ok=True)
    finally:
        os.close(master)
        os.close(slave)


@contextlib.contextmanager
def _attached(descriptor: int, answers: Answers, name: str) -> Iterator[None]:
    """Answer what arrives at a descriptor, on the running loop."""
    loop = asyncio.get_running_loop()
    framing = RtuFraming()
    os.set_blocking(descriptor, False)
    gone = False

    def send(data: bytes | None) -> None:
        # What is sent later may come when the descriptor is already another file's.
        if data and not gone:
            with contextlib.suppress(BlockingIOError):  # nobody takes the reply: on a wire, too, it would be gone
                os.write(descriptor, data)

    receive = answers.connected(send)

    def readable() -> None:
        nonlocal gone
        try:
            receive(framing, os.read(descriptor, _CHUNK))
        except BlockingIOError:
            return
        except OSError as error:
            _log.warning("serial line %s is gone: %s", name, error)
            loop.remove_reader(descriptor)
            gone = True

    loop.add_reader(descriptor, readable)
    try:
        yield
    finally:
        gone = True
        loop.remove_reader(descriptor)
