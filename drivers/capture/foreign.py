"""What others captured: packets of TCP, put together into exchanges of Modbus/TCP. Pure.

The line of such an exchange is the URL of the device, and its monotonic times are those of the wall clock: packets
have no others. A request that gets no reply is told of when its connection ends, another request waits for long, or
the capture ends.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.
"""

from collections.abc import Iterator
from dataclasses import field

from drivers.capture.frames import asked, body_of
from drivers.capture.segments import Segment, Stream, segment
from drivers.guard import Asked, Verdict, data_bytes, judge_mbap
from drivers.reading import Block, Exchange, Outcome
from drivers.value import mutable

_MODBUS_PORT = 502
_MBAP = 6
_LONGEST = 254
_PATIENCE_NS = 60 * 1_000_000_000
"""Age of a request that nobody waits for any more."""
_DOUBTS = 16
"""Segments without sense after which a connection is taken for something else."""

_MOST_CONNECTIONS = 20_000
"""Kept in mind at once: a capture of a whole network, or of somebody who means harm, may have any number."""

Direction = tuple[bytes, int, bytes, int]


@mutable
class _Waiting:
    time_ns: int
    frame: bytes
    unit: int
    block: Block


@mutable
class _Connection:
    """Both directions between a client, which asks, and a device."""

    client: tuple[bytes, int]
    device: tuple[bytes, int]
    line: str
    streams: dict[bool, Stream] = field(default_factory=lambda: {True: Stream(), False: Stream()})
    """What the client sends, and what the device does."""
    waiting: dict[int, _Waiting] = field(default_factory=dict)
    latest: _Waiting | None = None
    doubts: int = 0


class Assembler:
    """Takes packets in the order of a file."""

    def __init__(self) -> None:
        self._connections: dict[frozenset[tuple[bytes, int]], _Connection] = {}

    def packet(self, link: int, time_ns: int, data: bytes) -> Iterator[Exchange]:
        """Yield the exchanges that a packet completes."""
        part = segment(link, data)
        if part is None:
            return
        ends = frozenset((part.source, part.target))
        connection = self._connections.get(ends)
        if connection is None or (part.opens and not part.acknowledges):
            if connection:
                yield from _given_up(connection, time_ns, Outcome.LINE_DOWN)
            elif len(self._connections) >= _MOST_CONNECTIONS:
                yield from self._thinned_out(time_ns)
            connection = self._connections[ends] = _connection(part)
        if connection.doubts < _DOUBTS:
            yield from _taken(connection, part, time_ns)
        if part.ends:
            yield from _given_up(connection, time_ns, Outcome.LINE_DOWN)

    def _thinned_out(self, time_ns: int) -> Iterator[Exchange]:
        """Forget the connections in which nothing was asked; where that is not enough, all of them."""
        asked_in = {ends: each for ends, each in self._connections.items() if each.latest}
        former, self._connections = self._connections, asked_in
        if len(asked_in) > _MOST_CONNECTIONS // 2:
            self._connections = {}
            for each in former.values():
                yield from _given_up(each, time_ns, Outcome.NO_REPLY)

    def end(self) -> Iterator[Exchange]:
        """Yield the requests that stayed without a reply."""
        for connection in self._connections.values():
            last_ns = max((request.time_ns for request in connection.waiting.values()), default=0)
            yield from _given_up(connection, last_ns, Outcome.NO_REPLY)


def _connection(part: Segment) -> _Connection:
    """Return a connection seen for the first time; who is the device is told by the port, or by who asks."""
    source, target = part.source, part.target
    from_device = source[1] == _MODBUS_PORT or (part.opens and part.acknowledges)
    known = _MODBUS_PORT in (source[1], target[1]) or part.opens
    if from_device or (not known and source[1] < target[1]):
        source, target = target, source
    host = part.host(target[0])
    return _Connection(source, target, f"tcp://{host}:{target[1]}")


def _taken(connection: _Connection, part: Segment, time_ns: int) -> Iterator[Exchange]:
    asking = part.source == connection.client
    stream = connection.streams[asking]
    for payload in stream.take(part):
        if stream.buffer and not _sensible(stream.buffer):
            stream.buffer = b""
        stream.buffer += payload
        while frame := _frame(stream.buffer):
            stream.buffer = stream.buffer[len(frame) :]
            connection.doubts = 0
            if asking:
                yield from _ask(connection, frame, time_ns)
            else:
                yield from _answer(connection, frame, time_ns)
        if stream.buffer and not _sensible(stream.buffer):
            stream.buffer = b""
            connection.doubts += 1


def _sensible(buffer: bytes) -> bool:
    """Whether bytes may be the beginning of a frame with MBAP header."""
    head = buffer[2:_MBAP]
    return head[:2] == bytes(2)[: len(head)] and (len(head) < 4 or 2 <= int.from_bytes(head[2:], "big") <= _LONGEST)  # noqa: PLR2004


def _frame(buffer: bytes) -> bytes:
    """Return the frame that stands at the beginning, empty while it is not complete or makes no sense."""
    if len(buffer) < _MBAP or not _sensible(buffer):
        return b""
    size = _MBAP + int.from_bytes(buffer[4:_MBAP], "big")
    return buffer[:size] if len(buffer) >= size else b""


def _ask(connection: _Connection, frame: bytes, time_ns: int) -> Iterator[Exchange]:
    for number, request in list(connection.waiting.items()):
        if time_ns - request.time_ns > _PATIENCE_NS:
            del connection.waiting[number]
            yield _exchange(connection, request, time_ns, Verdict(Outcome.NO_REPLY, b""))
    what = asked(body_of(frame, serial=False))
    if what:
        number = int.from_bytes(frame[:2], "big")
        before = connection.waiting.pop(number, None)
        if before:
            yield _exchange(connection, before, time_ns, Verdict(Outcome.NO_REPLY, b""))
        connection.latest = connection.waiting[number] = _Waiting(time_ns, frame, *what)


def _answer(connection: _Connection, frame: bytes, time_ns: int) -> Iterator[Exchange]:
    request = connection.waiting.pop(int.from_bytes(frame[:2], "big"), None)
    if request is None:
        return
    question = Asked(request.frame, request.unit, request.block.function, data_bytes(request.block))
    verdict = judge_mbap(question, frame)
    yield _exchange(connection, request, time_ns, verdict or Verdict(Outcome.BAD_REPLY, frame))


def _given_up(connection: _Connection, time_ns: int, outcome: Outcome) -> Iterator[Exchange]:
    waiting, connection.waiting = connection.waiting, {}
    for request in waiting.values():
        # Whoever asked on did not wait for the one before any more.
        ended = outcome if request is connection.latest else Outcome.NO_REPLY
        yield _exchange(connection, request, time_ns, Verdict(ended, b""))


def _exchange(connection: _Connection, request: _Waiting, time_ns: int, verdict: Verdict) -> Exchange:
    return Exchange(
        line=connection.line,
        unit=request.unit,
        block=request.block,
        request=request.frame,
        reply=verdict.frame,
        data=verdict.data,
        sent_ns=request.time_ns,
        received_ns=time_ns,
        time_ns=time_ns,
        outcome=verdict.outcome,
        exception=verdict.exception,
    )
