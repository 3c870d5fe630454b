"""Many Modbus/TCP devices in one process, fast enough to measure others by: any unit, at every address of 127/8.

Prints its port. Each line on standard input is answered with what was seen since the one before, as JSON. One of the
values (register `CLOCK`) is the time at which the reply left, so that a receiver can tell a value's age from outside.
"""

import asyncio
import json
import resource
import struct
import sys
import time
from typing import cast

import numpy as np
import uvloop

REGISTERS = 124
CLOCK = 4
"""First register of the float that holds the time of the reply [s], modulo `CLOCK_MODULUS`."""
CLOCK_MODULUS = 1000.0
POWER_KW = 90.0
_COUNTER = 2
_CHANGED_EVERY_S = 0.05
_HEAD = struct.Struct(">HHHBBHH")
_REPLY = struct.Struct(">HHHBBB")
_FLOAT = struct.Struct(">f")


class Seen:
    """What has come since the last question."""

    def __init__(self) -> None:
        self.requests = 0
        self.left_out = 0
        """Whole seconds in which a connection that asks once a second did not ask."""
        self.lateness_ms = [0] * 1000
        """Requests by how long after a whole second of the wall clock they came [ms]."""
        self.connections = 0
        self.cpu_s = _cpu_s()

    def told(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(
            {
                "requests": self.requests,
                "left_out": self.left_out,
                "lateness_ms": self.lateness_ms,
                "connections": self.connections,
                "cpu_s": _cpu_s() - self.cpu_s,
            }
        )


class Values:
    """What all devices show: gauges that change many times a second, a counter, and the time."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)
        self._began = time.monotonic()
        self.block = b""
        self.change()

    def change(self) -> None:
        """Let the values move on."""
        floats = self._random.uniform(1.0, 100.0, REGISTERS // 2).astype(">f4")
        floats[0] = POWER_KW
        floats[_COUNTER // 2] = 1000.0 + (time.monotonic() - self._began) * POWER_KW / 3600
        self.block = floats.tobytes()


class Device(asyncio.Protocol):
    """One connection: requests may come in parts or many at once."""

    def __init__(self, values: Values, seen: list[Seen]) -> None:
        self._values, self._seen = values, seen
        self._rest = b""
        self._second = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._seen[0].connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        now = time.time()
        data = self._rest + data
        while len(data) >= _HEAD.size:
            self._answer(data, now)
            data = data[_HEAD.size :]
        self._rest = data

    def _answer(self, data: bytes, now: float) -> None:
        transaction, _, _, unit, function, address, count = _HEAD.unpack_from(data)
        first, size = 2 * address, 2 * count
        body = self._values.block[first : first + size]
        at = 2 * CLOCK - first
        if 0 <= at <= size - _FLOAT.size:
            body = body[:at] + _FLOAT.pack(time.time() % CLOCK_MODULUS) + body[at + _FLOAT.size :]
        self._transport.write(_REPLY.pack(transaction, 0, 3 + size, unit, function, size) + body)
        seen, second = self._seen[0], int(now)
        seen.requests += 1
        seen.lateness_ms[int((now - second) * 1000)] += 1
        if self._second and second > self._second + 1:
            seen.left_out += second - self._second - 1
        self._second = second


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _serve() -> None:
    values, seen = Values(), [Seen()]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Device(values, seen), "0.0.0.0", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    ended = loop.create_future()

    def asked() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin)
            ended.set_result(None)
            return
        sys.stdout.write(seen[0].told() + "\n")
        sys.stdout.flush()
        seen[0] = Seen()

    def change() -> None:
        values.change()
        loop.call_later(_CHANGED_EVERY_S, change)

    loop.add_reader(sys.stdin, asked)
    change()
    await ended


if __name__ == "__main__":
    uvloop.run(_serve())
