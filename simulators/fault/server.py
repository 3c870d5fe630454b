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
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import accumulate

from simulators.description import LineEntry
from simulators.fault.device import Answer, Misbehaving
from simulators.fault.faults import Chunk
from simulators.fault.values import ticks
from simulators.framing import Framing, Garbled, Request, RtuFraming, TcpFraming
from simulators.server import NotServed, serial_port, why_not

_log = logging.getLogger(__name__)

_READ = 4096
_BITS_PER_CHAR = 10
_LUMP_S = 0.002
_OVERDUE_S = 0.01

OnAnswer = Callable[[Answer], None]
Out = Callable[[bytes | None], None]


class _Bus:
    """One line's units; sends through `out`, which over RTU is the latest connection's."""

    def __init__(self, units: Misbehaving, on_answer: OnAnswer | None, *, shared: bool, char_s: float = 0.0) -> None:
        self._units = units
        self._on_answer = on_answer
        self._shared = shared
        self._char_s = char_s
        self._free_at = 0.0
        self._latest: Out = lambda _: None

    def connected(self, out: Out) -> None:
        """Send to this one from now on."""
        self._latest = out

    def take(self, framing: Framing, data: bytes, out: Out) -> None:
        """Answer the requests that data completes; raise Garbled."""
        now = time.monotonic()
        for request in framing.feed(data, now):
            answer = self._units.answer(request, framing, ticks(time.monotonic_ns()))
            chunks = answer.chunks if isinstance(answer, Answer) else answer
            self._send(framing, request, chunks, out)
            if isinstance(answer, Answer) and self._on_answer:
                self._on_answer(answer)

    def _send(self, framing: Framing, request: Request, chunks: Iterable[Chunk], out: Out) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._char_s:
            carried_s = len(framing.reply(request, request.pdu)) * self._char_s
            chunks = paced(chunks, self._char_s, begin_s=max(carried_s, self._free_at - now))
            self._free_at = now + max((chunk.after_s for chunk in chunks), default=0.0)
        for chunk in chunks:
            if chunk.after_s:
                loop.call_later(chunk.after_s, self._emit, out, chunk.data, now + chunk.after_s)
            else:
                self._emit(out, chunk.data, now)

    def _emit(self, out: Out, data: bytes | None, due: float) -> None:
        if asyncio.get_running_loop().time() - due <= _OVERDUE_S:
            (self._latest if self._shared else out)(data)


def paced(chunks: Iterable[Chunk], char_s: float, *, begin_s: float) -> Sequence[Chunk]:
    """Return chunks as a wire carries them: none before `begin_s` [s], each lump when its last byte is through."""
    lump = max(1, int(_LUMP_S / char_s))
    found = []
    free_s = begin_s
    for chunk in chunks:
        if chunk.data is None:
            found.append(Chunk(max(free_s, chunk.after_s), None))
            continue
        pieces = [chunk.data[at : at + lump] for at in range(0, len(chunk.data), lump)]
        start_s = max(free_s, begin_s + chunk.after_s)
        ends = accumulate((len(piece) * char_s for piece in pieces), initial=start_s)
        next(ends)
        found += [Chunk(end_s, piece) for end_s, piece in zip(ends, pieces, strict=True)]
        free_s = found[-1].after_s if pieces else start_s
    return found


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
        self._bus.connected(self._out)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a client may leave as it likes
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._bus.take(self._framing, data, self._out)
        except Garbled as error:
            _log.warning("closed a connection: %s", error)
            self._transport.close()

    def _out(self, data: bytes | None) -> None:
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

    def out(data: bytes | None) -> None:
        # A serial line has no connection to close: a reset is a reply that breaks off.
        if data and not closed:
            with contextlib.suppress(BlockingIOError):  # nobody takes it: on a wire, too, it would be gone
                os.write(descriptor, data)

    def receive() -> None:
        nonlocal closed
        try:
            bus.take(framing, os.read(descriptor, _READ), out)
        except BlockingIOError:
            return
        except OSError as error:
            _log.warning("serial line %s is gone: %s", name, error)
            closed = True
            loop.remove_reader(descriptor)

    bus.connected(out)
    loop.add_reader(descriptor, receive)
