"""The line against two other implementations of Modbus servers, with all four reading functions."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
import serial
from modbus_tk import defines, modbus, modbus_rtu, modbus_tcp
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.endpoint import parse_endpoint
from drivers.errors import Refused
from drivers.line import Line
from drivers.reading import Block
from tests.certificates import Authority
from tests.pty_pair import pty_pair

pytestmark = [
    pytest.mark.integration,
    # modbus-tk asks threading.Event.isSet in its server's thread, which Python 3.11 deprecates.
    pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning"),
]

BITS = [bool(0b1011_0010_1110 >> at % 12 & 1) for at in range(64)]
PACKED = bytes((0b0010_1110, 0b1110_1011, 0b1011_0010))
HOLDING = [(at * 257) & 0xFFFF for at in range(200)]
INPUTS = [(0xFFFF - at * 3) & 0xFFFF for at in range(200)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def listening(port: int) -> None:
    for _ in range(500):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"nothing listens on port {port}")


def fill(server: modbus.Server) -> None:
    slave = server.add_slave(1)
    for kind, values in (
        (defines.COILS, BITS),
        (defines.DISCRETE_INPUTS, BITS),
        (defines.HOLDING_REGISTERS, HOLDING),
        (defines.ANALOG_INPUTS, INPUTS),
    ):
        slave.add_block(str(kind), kind, 0, len(values))
        slave.set_values(str(kind), 0, values)


@asynccontextmanager
async def tk_tcp(_: Authority) -> AsyncIterator[str]:
    server = modbus_tcp.TcpServer(port=free_port(), address="127.0.0.1")
    fill(server)
    server.start()
    try:
        await listening(server._sa[1])
        yield f"tcp://127.0.0.1:{server._sa[1]}"
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def tk_rtu(_: Authority) -> AsyncIterator[str]:
    async with pty_pair() as (here, there):
        server = modbus_rtu.RtuServer(serial.Serial(there, 19200))
        fill(server)
        server.start()
        try:
            yield f"rtu://{here}?baud=19200"
        finally:
            await asyncio.to_thread(server.stop)


def simulated() -> SimDevice:
    bits = [SimData(0, values=BITS, datatype=DataType.BITS)]
    holding = [SimData(0, values=HOLDING, datatype=DataType.REGISTERS)]
    inputs = [SimData(0, values=INPUTS, datatype=DataType.REGISTERS)]
    return SimDevice(1, simdata=(bits, bits, holding, inputs))


@asynccontextmanager
async def serving(server: ModbusTcpServer | ModbusSerialServer) -> AsyncIterator[None]:
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus left the annotation out


@asynccontextmanager
async def pymodbus_tcp(_: Authority) -> AsyncIterator[str]:
    port = free_port()
    async with serving(ModbusTcpServer(simulated(), address=("127.0.0.1", port))):
        yield f"tcp://127.0.0.1:{port}"


@asynccontextmanager
async def pymodbus_tls(authority: Authority) -> AsyncIterator[str]:
    context = authority.server_context(authority.issue("localhost"), client_certificates=True)
    client = authority.issue("client")
    port = free_port()
    async with serving(ModbusTlsServer(simulated(), address=("127.0.0.1", port), sslctx=context)):
        yield f"tls://localhost:{port}?ca={authority.file}&cert={client.cert}&key={client.key}"


@asynccontextmanager
async def pymodbus_rtu_over_tcp(_: Authority) -> AsyncIterator[str]:
    port = free_port()
    async with serving(ModbusTcpServer(simulated(), framer=FramerType.RTU, address=("127.0.0.1", port))):
        yield f"rtu+tcp://127.0.0.1:{port}"


@asynccontextmanager
async def pymodbus_rtu(_: Authority) -> AsyncIterator[str]:
    async with pty_pair() as (here, there), serving(ModbusSerialServer(simulated(), port=there, baudrate=9600)):
        yield f"rtu://{here}"


SERVERS = (tk_tcp, tk_rtu, pymodbus_tcp, pymodbus_tls, pymodbus_rtu_over_tcp, pymodbus_rtu)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(params=SERVERS, ids=lambda server: server.__name__)
def server(request: pytest.FixtureRequest, authority: Authority) -> AbstractAsyncContextManager[str]:
    serve: AbstractAsyncContextManager[str] = request.param(authority)
    return serve


def registers(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


async def test_all_reading_functions_give_the_bytes_the_server_holds(server: AbstractAsyncContextManager[str]) -> None:
    async with server as url:
        line = Line("line", parse_endpoint(url), timeout_s=1, pause_s=0.005)
        try:
            assert (await line.read(1, Block(1, 0, 24))).data == PACKED
            assert (await line.read(1, Block(2, 12, 12))).data == bytes((PACKED[0], PACKED[1] & 0x0F))
            assert (await line.read(1, Block(3, 5, 125))).data == registers(HOLDING[5:130])
            assert (await line.read(1, Block(4, 199, 1))).data == registers(INPUTS[199:])
            with pytest.raises(Refused) as caught:
                await line.read(1, Block(3, 200, 2))
            assert caught.value.code == 2
            for address in range(40):
                assert (await line.read(1, Block(4, address, 3))).data == registers(INPUTS[address : address + 3])
        finally:
            await line.close()

    assert (line.stats.requests, line.stats.replies, line.stats.exceptions) == (45, 44, 1)
    assert line.stats.reconnects == 0
