"""A Modbus device for tests that answers as a script tells it, over each of the four transports.

Frames are built and checked with the checksum of modbus-tk, which shares no code with what is tested.
"""

import asyncio
import os
import ssl
import struct
import tty
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from modbus_tk.utils import calculate_crc

TRANSPORTS = ("tcp", "tls", "rtu+tcp", "rtu")
IDENTIFY = 43

Chunk = tuple[float, bytes | None]
"""After how many seconds to send which bytes; None closes the connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the device saw it; of an identification `address` is the first object, `count` the category."""

    rtu: bool
    transaction: int
    unit: int
    function: int
    address: int
    count: int

    @classmethod
    def parse(cls, frame: bytes, *, rtu: bool) -> "Request":
        transaction, body = 0, frame[:-2]
        if rtu:
            assert calculate_crc(body) == int.from_bytes(frame[-2:], "big")
        else:
            transaction, protocol, length = struct.unpack_from(">HHH", frame)
            body = frame[6:]
            assert (protocol, length) == (0, len(body))
        if body[1] == IDENTIFY:
            unit, function, kind, category, first = body
            assert kind == 14
            return cls(rtu, transaction, unit, function, first, category)
        return cls(rtu, transaction, *struct.unpack(">BBHH", body))

    @staticmethod
    def size(start: bytes, *, rtu: bool) -> int:
        """Return how long a request is that starts with these bytes."""
        function = start[1:2] if rtu else start[7:8]
        return (8 if rtu else 12) - (function == bytes((IDENTIFY,)))

    def values(self) -> list[int]:
        """Give every register a value that tells its unit and address."""
        return [(self.unit << 12 | address) & 0xFFFF for address in range(self.address, self.address + self.count)]

    def reply(
        self, values: Sequence[int] | None = None, *, unit: int | None = None, function: int | None = None
    ) -> bytes:
        """Return a reply with registers."""
        data = struct.pack(f">{len(values or self.values())}H", *(values or self.values()))
        return self.frame(bytes((function or self.function, len(data))) + data, unit=unit)

    def refusal(self, code: int) -> bytes:
        return self.frame(bytes((self.function | 0x80, code)))

    def frame(self, pdu: bytes, *, unit: int | None = None, transaction: int | None = None) -> bytes:
        """Return a protocol data unit in this request's framing."""
        body = bytes((self.unit if unit is None else unit,)) + pdu
        if self.rtu:
            return body + int(calculate_crc(body)).to_bytes(2, "big")
        return struct.pack(">HHH", self.transaction if transaction is None else transaction, 0, len(body)) + body


Script = Callable[[Request], Iterable[Chunk]]


def honest(request: Request) -> Iterable[Chunk]:
    """Answer at once and rightly."""
    return [(0, request.reply())]


class Rig:
    """The device: `script` may be changed while it runs; `requests` tells what it was asked, `heard` all the bytes."""

    def __init__(self, script: Script, *, rtu: bool, one_way_out: bool) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.heard = bytearray()
        self.connections = 0
        self.url = ""
        self._rtu = rtu
        # A converter sends what its serial side receives to whoever is connected now.
        self._one_way_out = one_way_out
        self._more = asyncio.Event()
        self._latest: Callable[[bytes | None], None] = lambda _: None

    def connected(self, out: Callable[[bytes | None], None]) -> Callable[[bytes], None]:
        """Note a new connection and return what takes its bytes."""
        self.connections += 1
        self._latest = out
        buffer = bytearray()

        def take(data: bytes) -> None:
            buffer.extend(data)
            self.heard.extend(data)
            while len(buffer) >= (size := Request.size(bytes(buffer), rtu=self._rtu)):
                request = Request.parse(bytes(buffer[:size]), rtu=self._rtu)
                del buffer[:size]
                self.requests.append(request)
                self._more.set()
                began = asyncio.get_running_loop().time()
                self._emit_next(out, deque(sorted(self.script(request), key=lambda chunk: chunk[0])), began)

        return take

    def _emit_next(self, out: Callable[[bytes | None], None], chunks: deque[Chunk], began: float) -> None:
        """Send one chunk after the other: two timers of a busy loop may go off in the wrong order."""

        def emit() -> None:
            self._emit(out, chunks.popleft()[1])
            self._emit_next(out, chunks, began)

        if chunks:
            asyncio.get_running_loop().call_at(began + chunks[0][0], emit)

    async def asked(self, count: int) -> None:
        """Wait until this many requests have come."""
        while len(self.requests) < count:
            self._more.clear()
            await self._more.wait()

    def say(self, data: bytes) -> None:
        """Send bytes that nobody asked for."""
        self._latest(data)

    def hang_up(self) -> None:
        """Close the connection from this side."""
        self._latest(None)

    def _emit(self, out: Callable[[bytes | None], None], chunk: bytes | None) -> None:
        (self._latest if self._one_way_out else out)(chunk)


@asynccontextmanager
async def rig(
    transport: str, script: Script = honest, *, port: int = 0, tls: ssl.SSLContext | None = None, query: str = ""
) -> AsyncIterator[Rig]:
    """Run a device on a free port of the loopback interface, or on a pseudo-terminal."""
    device = Rig(script, rtu=transport in ("rtu", "rtu+tcp"), one_way_out=transport == "rtu+tcp")
    serve = _on_terminal(device) if transport == "rtu" else _on_socket(device, transport, port, tls, query)
    async with serve:
        yield device


@asynccontextmanager
async def _on_socket(
    device: Rig, scheme: str, port: int, tls: ssl.SSLContext | None, query: str
) -> AsyncIterator[None]:
    talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks[task] = writer

        def out(chunk: bytes | None) -> None:
            if writer.is_closing():
                return
            if chunk is None:
                writer.transport.abort()
            else:
                writer.write(chunk)

        take = device.connected(out)
        try:
            while data := await reader.read(4096):
                take(data)
        except OSError:
            pass  # the other end broke the connection, as it may
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", port, ssl=tls)
    device.url = f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}{query}".replace(
        "localhost", "localhost" if tls else "127.0.0.1"
    )
    try:
        yield
    finally:
        server.close()
        for writer in talks.values():
            writer.transport.abort()
        await asyncio.gather(*talks)
        await server.wait_closed()
        await asyncio.sleep(0)


@asynccontextmanager
async def _on_terminal(device: Rig) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    os.set_blocking(master, False)
    tty.setraw(slave)
    device.url = f"rtu://{os.ttyname(slave)}?baud=115200"

    ended = False

    def out(chunk: bytes | None) -> None:
        if chunk is not None and not ended:  # the descriptor's number may be another file's then
            os.write(master, chunk)

    take = device.connected(out)
    loop.add_reader(master, lambda: take(os.read(master, 4096)))
    try:
        yield
    finally:
        ended = True
        loop.remove_reader(master)
        os.close(slave)
        os.close(master)
