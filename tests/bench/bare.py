"""What the same reads cost without an agent: a bare pymodbus client, a bare asyncio protocol, libmodbus in C.

`python -m tests.bench.bare KIND PORT DEVICES REGISTERS`. Reads every device once a second, on the beat of the wall
clock as the agent does, decodes nothing and keeps nothing. A line on standard input ends it.
"""

import asyncio
import ctypes
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import uvloop
from pymodbus.client import AsyncModbusTcpClient

from tests.bench.fleet import host

_REQUEST = struct.Struct(">HHHBBHH")
_LIBMODBUS = "libmodbus.so.5"

Read = Callable[[], Awaitable[object]]


async def _pymodbus(address: str, port: int, registers: int) -> Read:
    client = AsyncModbusTcpClient(address, port=port, retries=0)
    assert await client.connect()

    async def read() -> None:
        answer = await client.read_holding_registers(0, count=registers, device_id=1)
        assert len(answer.registers) == registers

    return read


class _Protocol(asyncio.Protocol):
    """One request and its reply; nothing is looked at but the length."""

    def __init__(self, registers: int) -> None:
        self._request = _REQUEST.pack(1, 0, 6, 1, 3, 0, registers)
        self._due = 9 + 2 * registers
        self._waiting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert len(data) == self._due
        if self._waiting:
            self._waiting.set_result(None)

    async def read(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        await self._waiting


async def _protocol(address: str, port: int, registers: int) -> Read:
    _, protocol = await asyncio.get_running_loop().create_connection(lambda: _Protocol(registers), address, port)
    return protocol.read


async def _for_ever(read: Read) -> None:
    while True:
        await asyncio.sleep(1 - time.time() % 1)
        await read()


async def _asynchronously(
    connect: Callable[[str, int, int], Awaitable[Read]], port: int, devices: int, size: int
) -> None:
    reads = [await connect(host(number), port, size) for number in range(devices)]
    tasks = [asyncio.create_task(_for_ever(read)) for read in reads]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)


def _libmodbus(port: int, devices: int, registers: int) -> None:
    """Read one device after the other; the library waits for each reply."""
    library = ctypes.CDLL(_LIBMODBUS)
    library.modbus_new_tcp.restype = ctypes.c_void_p
    for name in ("modbus_connect", "modbus_close", "modbus_free", "modbus_set_slave"):
        getattr(library, name).argtypes = [ctypes.c_void_p, *([ctypes.c_int] if name == "modbus_set_slave" else [])]
    library.modbus_read_registers.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    contexts = [library.modbus_new_tcp(host(number).encode(), port) for number in range(devices)]
    found = (ctypes.c_uint16 * registers)()
    for context in contexts:
        library.modbus_set_slave(context, 1)
        assert library.modbus_connect(context) == 0
    ended: list[str] = []
    threading.Thread(target=lambda: ended.append(sys.stdin.readline()), daemon=True).start()
    while not ended:
        time.sleep(1 - time.time() % 1)
        for context in contexts:
            assert library.modbus_read_registers(context, 0, registers, found) == registers


def main() -> None:
    """Read until told to stop."""
    kind, port, devices, registers = sys.argv[1], *map(int, sys.argv[2:])
    if kind == "libmodbus":
        _libmodbus(port, devices, registers)
        return
    new_loop = uvloop.new_event_loop if kind.endswith("uvloop") else None
    connect = _pymodbus if kind.startswith("pymodbus") else _protocol
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_asynchronously(connect, port, devices, registers))


if __name__ == "__main__":
    main()
