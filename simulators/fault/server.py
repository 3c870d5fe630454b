"""Serves a misbehaving line over TCP, RTU over TCP or a serial port: chunks out at their times.

Over RTU there is one bus behind however many connections: as converters do, it sends what comes to whoever is
connected now, so the late reply to one connection reaches the next. What could not go out near its time because
this machine was busy does not go out at all: no reply is later than its fault says.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace

from simulators.description import LineEntry
from simulators.fault.device import Answer, Misbehaving
from simulators.fault.faults import Chunk
from simulators.fault.values import ticks
from simulators.framing import Framing, Garbled, RtuFraming, TcpFraming
from simulators.server import NotServed, serial_port, why_not

_log = logging.getLogger(__name__)

_READ = 4096
_BITS_PER_CHAR = 10
_LUMP_S = 0.002
_OVERDUE_S = 0.01

OnAnswer = Callable[[Answer], None]
Write = Callable[[bytes | None], None]


@dataclass(slots=True)
class _Way:
    """Where bytes go, and until when it is taken [loop time]: replies follow, they do not mix."""

    write: Write
    free_at: float = 0.0


class _Bus:
    """One line's units, and the way back to who asks: over RTU one for all connections, to the latest of them."""

    def __init__(self, units: Misbehaving, on_answer: OnAnswer | None, *, shared: bool, char_s: float = 0.0) -> None:
        self._units = units
        self._on_answer = on_answer
        self._char_s = char_s
        self._shared = _Way(lambda _: None) if shared else None

    def connected(self, write: Write) -> _Way:
        """Return the way to a new connection."""
        if self._shared is None:
            return _Way(write)
        self._shared.write = write
        return self._shared

    def take(self, framing: Framing, data: bytes, way: _Way) -> None:
        """Answer the requests that data completes; raise Garbled."""
        for request in framing.feed(data, time.monotonic()):
            answer = self._units.answer(request, framing, ticks(time.monotonic_ns()))
            carried_s = len(framing.reply(request, request.pdu)) * self._char_s
            if isinstance(answer, Answer):
                chunks = self._send(answer.chunks, way, carried_s)
                if self._on_answer:
                    self._on_answer(replace(answer, chunks=chunks))
            else:
                self._send(answer, way, carried_s)

    def _send(self, chunks: Iterable[Chunk], way: _Way, carried_s: float) -> tuple[Chunk, ...]:
        loop = asyncio.get_running_loop()
        now = loop.time()
        timed = paced(chunks, self._char_s, begin_s=carried_s, free_s=way.free_at - now)
        for chunk in timed:
            due = now + chunk.after_s
            way.free_at = max(way.free_at, due)
            if chunk.after_s > 0.0:
                loop.call_at(due, _emit, way, chunk.data, due)
            else:
                way.write(chunk.data)
        return timed


def _emit(way: _Way, data: bytes | None, due: float) -> None:
    if asyncio.get_running_loop().time() - due <= _OVERDUE_S:
        way.write(data)


def paced(chunks: Iterable[Chunk], char_s: float, *, begin_s: float, free_s: float) -> tuple[Chunk, ...]:
    """Return chunks as a wire carries them, one after the other: each lump when its last byte is through.

    `begin_s` [s] is when the request itself is through, `free_s` when the wire is; `char_s` may be 0.
    """
    lump = max(1, int(_LUMP_S / char_s)) if char_s else _READ
    found = []
    for chunk in chunks:
        free_s = max(free_s, begin_s + chunk.after_s)
        if chunk.data is None:
            found.append(Chunk(free_s, None))
            continue
        for at in range(0, len(chunk.data), lump):
            piece = chunk.data[at : at + lump]
            free_s += len(piece) * char_s
            found.append(Chunk(free_s, piece))
    return tuple(found)


class _Connection(asyncio.Protocol):
    """One client of a network line."""

    def __init__(self, bus: _Bus, framing: Framing, connections: set[asyncio.Transport]) -> None:
        self._bus = bus
        self._framing = framing
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio makes no other for streams
        self._transport = transport
        self._connections.add(transport)
        self._way = self._bus.connected(self._write)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a client may leave as it likes
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._bus.take(self._framing, data, self._way)
        except Garbled as error:
            _log.warning("closed a connection: %s", error)
            self._transport.close()

    def _write(self, data: bytes | None) -> None:
        if data is None:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(data)


@contextlib.asynccontextmanager
async def misbehaving_line(
    line: LineEntry, units: Misbehaving, on_answer: OnAnswer | None = None, *, pacing: bool = False
) -> AsyncIterator[str]:
    """Serve a line while the context lasts; give its URL; raise NotServed.

    With `pacing` a serial line carries bytes no faster than its baud rate, as a pseudo-terminal does not by itself.
    """
    if line.kind == "serial":
        bus = _Bus(units, on_answer, shared=True, char_s=_BITS_PER_CHAR / line.baud if pacing else 0.0)
        with serial_port(line) as (descriptor, path):
            _attach(descriptor, bus, line.name)
            try:
                yield f"rtu://{path}?baud={line.baud}"
            finally:
                asyncio.get_running_loop().remove_reader(descriptor)
        return
    framing = TcpFraming if line.kind == "tcp" else RtuFraming
    bus = _Bus(units, on_answer, shared=line.kind != "tcp")
    connections: set[asyncio.Transport] = set()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(bus, framing(), connections), line.host, line.port
        )
    except OSError as error:
        raise NotServed(why_not(line, error)) from error
    try:
        yield f"{line.kind}://{line.host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for transport in tuple(connections):
            transport.abort()
        await server.wait_closed()


def _attach(descriptor: int, bus: _Bus, name: str) -> None:
    """Answer what arrives at a descriptor, on the running loop."""
    loop = asyncio.get_running_loop()
    framing = RtuFraming()
    os.set_blocking(descriptor, False)
    closed = False

    def write(data: bytes | None) -> None:
        # A serial line has no connection to close: a reset is a reply that breaks off.
        if data and not closed:
            with contextlib.suppress(BlockingIOError):  # nobody takes it: on a wire, too, it would be gone
                os.write(descriptor, data)

    def receive() -> None:
        nonlocal closed
        try:
            bus.take(framing, os.read(descriptor, _READ), way)
        except BlockingIOError:
            return
        except OSError as error:
            _log.warning("serial line %s is gone: %s", name, error)
            closed = True
            loop.remove_reader(descriptor)

    way = bus.connected(write)
    loop.add_reader(descriptor, receive)
