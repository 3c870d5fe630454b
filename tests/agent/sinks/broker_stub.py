"""A broker that answers as a test tells it: enough of MQTT 5 (and 3.1.1) for CONNECT and QoS 1 PUBLISH."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_CONNECT, _PUBLISH, _PINGREQ, _DISCONNECT = 1, 3, 12, 14
_TURNS_TO_BEGIN = 5
"""Of the loop, until a connection that was accepted is served; asyncio closes none whose server ends before."""


@dataclass
class StubBroker:
    """What it answers, and what it was sent. A PUBACK code of None stays silent."""

    connack: int = 0
    receive_maximum: int | None = None
    maximum_packet: int | None = None
    keep_alive: int | None = None
    version: int = 5
    puback: Callable[[str, bytes], int | None] = lambda _topic, _payload: 0
    holding: bool = False
    largest: int = 0
    """Size of the largest packet it was sent, without the fixed header."""
    published: list[tuple[str, bytes, bool]] = field(default_factory=list)
    pings: int = 0
    connections: int = 0
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    handlers: list[asyncio.Task[None]] = field(default_factory=list)
    _held: list[tuple[asyncio.StreamWriter, bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        if task := asyncio.current_task():
            self.handlers.append(task)
        try:
            while True:
                kind, flags, body = await _packet(reader)
                self.largest = max(self.largest, len(body) + 2)
                if kind == _CONNECT:
                    writer.write(self._connack())
                elif kind == _PUBLISH:
                    self._take(flags, body, writer)
                elif kind == _PINGREQ:
                    self.pings += 1
                    writer.write(bytes((0xD0, 0)))
                elif kind == _DISCONNECT:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def cut(self, code: int | None = None) -> None:
        """Close every connection, with a DISCONNECT of this reason code if given."""
        for writer in self.writers:
            if code is not None and not writer.is_closing():
                writer.write(bytes((0xE0, 2, code, 0)))
            writer.close()

    def _connack(self) -> bytes:
        if self.version != 5:
            return bytes((0x20, 2, 0, self.connack))
        properties = b""
        if self.receive_maximum is not None:
            properties += struct.pack(">BH", 0x21, self.receive_maximum)
        if self.maximum_packet is not None:
            properties += struct.pack(">BI", 0x27, self.maximum_packet)
        if self.keep_alive is not None:
            properties += struct.pack(">BH", 0x13, self.keep_alive)
        body = bytes((0, self.connack, len(properties))) + properties
        return bytes((0x20, len(body))) + body

    def _take(self, flags: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
        number, rest = rest[:2], rest[2:]
        payload = rest[1 + rest[0] :] if self.version == 5 else rest
        self.published.append((topic, payload, bool(flags & 1)))
        code = self.puback(topic, payload)
        if code is not None:
            answer = number + (bytes((code, 0)) if self.version == 5 else b"")
            self._held.append((writer, bytes((0x40, len(answer))) + answer))
            if not self.holding:
                self.release()

    def release(self) -> None:
        """Send the acknowledgements held back, and hold none from now on."""
        self.holding = False
        for writer, answer in self._held:
            if not writer.is_closing():
                writer.write(answer)
        self._held.clear()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    first = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first >> 4, first & 0x0F, await reader.readexactly(length)


@asynccontextmanager
async def serving(broker: StubBroker) -> AsyncIterator[StubBroker]:
    """Serve on a free loopback port for the block."""
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(_TURNS_TO_BEGIN):
            await asyncio.sleep(0)
        server.close()
        broker.cut()  # before waiting: from Python 3.12 on the server waits for its connections
        await server.wait_closed()
        await asyncio.gather(*broker.handlers)
