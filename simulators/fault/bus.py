"""A misbehaving line as a server sees it: chunks out at their times, one after the other.

Over RTU there is one bus behind however many connections: as converters do, it sends what comes to whoever is
connected now, so the late reply to one connection reaches the next. What could not go out near its time because
this machine was busy does not go out at all: no reply is later than its fault says.
"""

import asyncio
import contextlib
import functools
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from simulators.description import LineEntry
from simulators.fault.device import Answer, Misbehaving
from simulators.fault.faults import Chunk
from simulators.fault.values import ticks
from simulators.framing import Framing
from simulators.server import Receive, Send, serve

_READ = 4096
_BITS_PER_CHAR = 10
_LUMP_S = 0.002
_OVERDUE_S = 0.01
_TICK_S = 1e-6

OnAnswer = Callable[[Answer], None]


@dataclass(slots=True)
class _Sending:
    """One answer on its way; behind a part that could not go out nothing follows: no line loses bytes in between."""

    over: bool = False


@dataclass(slots=True)
class _Way:
    """Where bytes go, and until when it is taken [loop time]: replies follow, they do not mix."""

    send: Send
    free_at: float = 0.0
    queue: deque[tuple[float, bytes | None, _Sending]] = field(default_factory=deque)
    """What is to be sent, by its time: timers that are due together run in any order."""

    def add(self, due: float, data: bytes | None, sending: _Sending) -> None:
        """Send a part of an answer at a loop time, behind everything added before."""
        loop = asyncio.get_running_loop()
        self.free_at = max(self.free_at, due)
        self.queue.append((due, data, sending))
        if due <= loop.time():
            self._emit()
        else:
            loop.call_at(due, self._emit)

    def _emit(self) -> None:
        now = asyncio.get_running_loop().time()
        while self.queue and self.queue[0][0] <= now + _TICK_S:
            due, data, sending = self.queue.popleft()
            sending.over = sending.over or now - due > _OVERDUE_S
            if not sending.over:
                self.send(data)


class _Bus:
    """One line's units, and the way back to who asks: over RTU one for all connections, to the latest of them."""

    def __init__(self, units: Misbehaving, on_answer: OnAnswer | None, *, shared: bool, char_s: float = 0.0) -> None:
        self._units = units
        self._on_answer = on_answer
        self._char_s = char_s
        self._shared = _Way(lambda _: None) if shared else None

    def connected(self, send: Send) -> Receive:
        """Return what answers a new connection, each chunk in its time."""
        way = self._shared or _Way(send)
        way.send = send
        return functools.partial(self._take, way)

    def _take(self, way: _Way, framing: Framing, data: bytes) -> None:
        """Answer the requests that data completes."""
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
        now = asyncio.get_running_loop().time()
        timed = paced(chunks, self._char_s, begin_s=carried_s, free_s=way.free_at - now)
        sending = _Sending()
        for chunk in timed:
            way.add(now + chunk.after_s, chunk.data, sending)
        return timed


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


def misbehaving_line(
    line: LineEntry, units: Misbehaving, on_answer: OnAnswer | None, *, pacing: bool = False
) -> contextlib.AbstractAsyncContextManager[str]:
    """Serve a line while the context lasts; give its URL; raise NotServed.

    With `pacing` a serial line carries bytes no faster than its baud rate, as a pseudo-terminal does not by itself.
    """
    char_s = _BITS_PER_CHAR / line.baud if pacing and line.kind == "serial" else 0.0
    return serve(line, _Bus(units, on_answer, shared=line.kind != "tcp", char_s=char_s))
