import asyncio
import itertools
import os
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import serial
from modbus_tk.exceptions import ModbusInvalidResponseError
from modbus_tk.modbus import ModbusError
from modbus_tk.modbus_rtu import RtuMaster
from modbus_tk.modbus_rtu_over_tcp import RtuOverTcpMaster
from modbus_tk.modbus_tcp import TcpMaster

from drivers.profile_file import load_profile
from drivers.reading import Block
from simulators.description import LineEntry
from simulators.framing import crc16
from simulators.plant import SimulatedPlant, load_plant
from simulators.registers import Registers
from simulators.server import Answering, NotServed, Served, Unit, serve

pytestmark = pytest.mark.integration

PLANT = """
plant.name = "test"

[[line]]
name = "tcp"

[[line]]
name = "rtu-tcp"
kind = "rtu+tcp"

[[line]]
name = "serial"
kind = "serial"
path = "{path}"
baud = 115200

[[motor]]
name = "motor-1"
line = "tcp"
unit = 11
profile = "generic/vfd-motor"

[[boiler]]
name = "boiler-1"
line = "rtu-tcp"
unit = 12
profile = "generic/steam-boiler"

[[meter]]
name = "meter-1"
line = "serial"
unit = 13
profile = "eastron/sdm630"
feeds = ["motor-1"]
"""
ENERGY = Block(3, 0x0010, 2)  # of the generic motor: uint32, 0.01 kWh
GAS = Block(3, 0x0010, 2)  # of the generic boiler: uint32, 0.1 Nm3
IMPORT = Block(4, 0x0048, 2)  # of the SDM630: float32, kWh


@pytest.fixture
def plant(tmp_path: Path) -> SimulatedPlant:
    file = tmp_path / "plant.toml"
    file.write_text(PLANT.format(path=tmp_path / "line"), encoding="utf-8")
    return SimulatedPlant(load_plant(file), seed=1)


def master(url: str, timeout_s: float = 2.0) -> Any:
    """Return a client of another implementation than any in this project."""
    place = urlsplit(url)
    if place.scheme == "rtu":
        client = RtuMaster(serial.Serial(place.path, 115200))
        client.set_timeout(timeout_s)
        return client
    kind = TcpMaster if place.scheme == "tcp" else RtuOverTcpMaster
    return kind(place.hostname, place.port, timeout_in_sec=timeout_s)


async def read(client: Any, unit: int, block: Block) -> bytes:
    words = await asyncio.to_thread(client.execute, unit, block.function, block.address, block.count)
    return struct.pack(f">{block.count}H", *words)


@asynccontextmanager
async def clients(endpoints: Mapping[str, tuple[str, int]]) -> AsyncIterator[dict[str, Any]]:
    opened = {name: master(url) for name, (url, _) in endpoints.items()}
    try:
        yield opened
    finally:
        for client in opened.values():
            client.close()


async def test_an_independent_client_reads_the_same_totals_over_every_kind_of_line(plant: SimulatedPlant) -> None:
    plant.advance(600)
    async with plant.serving() as endpoints, clients(endpoints) as opened:
        energy = await read(opened["motor-1"], 11, ENERGY)
        gas = await read(opened["boiler-1"], 12, GAS)
        imported = await read(opened["meter-1"], 13, IMPORT)
    books = plant.books()

    # The clock ran on by the moments the reads took: a few counts at most.
    assert int.from_bytes(energy, "big") / 100 == pytest.approx(books["motor-1"]["active_energy_import"], abs=0.05)
    assert int.from_bytes(gas, "big") / 10 == pytest.approx(books["boiler-1"]["gas_volume"], abs=0.5)
    assert struct.unpack(">f", imported)[0] == pytest.approx(books["meter-1"]["active_energy_import"], abs=0.1)
    assert {urlsplit(url).scheme for url, _ in endpoints.values()} == {"tcp", "rtu+tcp", "rtu"}


async def test_the_served_log_is_what_was_read(plant: SimulatedPlant) -> None:
    log: list[Served] = []
    got = []
    async with plant.serving(log.append) as endpoints, clients(endpoints) as opened:
        for _ in range(5):
            got.append(("tcp", 11, ENERGY, await read(opened["motor-1"], 11, ENERGY)))
            got.append(("rtu-tcp", 12, GAS, await read(opened["boiler-1"], 12, GAS)))
            got.append(("serial", 13, IMPORT, await read(opened["meter-1"], 13, IMPORT)))
            with pytest.raises(ModbusError):
                await read(opened["motor-1"], 11, Block(3, 0x7000, 1))

    assert [(served.line, served.unit, served.block, served.data) for served in log] == got
    assert log == sorted(log, key=lambda served: served.time_ns)


async def test_the_clock_runs_at_its_speed_while_serving(plant: SimulatedPlant) -> None:
    plant._speed = 1000.0
    loop = asyncio.get_running_loop()
    async with plant.serving():
        began = loop.time()
        while plant.time_s < 300:
            await asyncio.sleep(0.01)
            assert loop.time() - began < 30
    stopped = plant.time_s
    await asyncio.sleep(0.15)

    assert plant.time_s == stopped


async def test_values_of_one_reply_are_of_one_moment(tmp_path: Path) -> None:
    points = "".join(f'_p{n} = {{ address = {2 * n}, type = "uint32", unit = "factor" }}\n' for n in range(60))
    text = f'model = "m"\nkind = "plc"\nsource = "s"\nfunction = 3\ntype = "uint32"\n[points]\n{points}'
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    profile = load_profile("p.toml", relative_to=tmp_path)
    registers = Registers(profile, dict)
    moments = itertools.count(65_521, 65_521)  # from one to the next, both words of every value change

    async def keep_changing() -> None:
        for moment in moments:
            registers._image = {3: dict(enumerate(divmod(moment, 65_536) * 60))}
            await asyncio.sleep(0.0005)

    changing = asyncio.create_task(keep_changing(), name="changing values")
    answering = Answering("line", {1: Unit(registers.read)}, None)
    async with serve(LineEntry(name="line"), answering) as url, clients({"it": (url, 1)}) as opened:
        seen = []
        for _ in range(200):
            values = struct.unpack(">60I", await read(opened["it"], 1, Block(3, 0, 120)))
            assert len(set(values)) == 1
            seen.append(values[0])
    changing.cancel()

    assert seen == sorted(seen)
    assert len(set(seen)) > 20


async def test_the_phases_of_one_reply_add_up_to_its_total_while_time_flies(plant: SimulatedPlant) -> None:
    plant._speed = 500.0
    totals = set()
    async with plant.serving() as endpoints, clients({"it": endpoints["meter-1"]}) as opened:
        for _ in range(500):
            values = struct.unpack(">27f", await read(opened["it"], 13, Block(4, 0, 54)))  # SDM630, 30001 - 30054
            assert sum(values[6:9]) == pytest.approx(values[26], rel=1e-6)
            totals.add(values[26])
            if len(totals) > 5:
                break
            await asyncio.sleep(0.02)

    assert len(totals) > 5


async def exchange(url: str, request: bytes, size: int) -> bytes:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(size), 5)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("pdu", "exception"),
    [
        ("0600100001", "8601"),  # write single register
        ("10001000010200ff", "9001"),  # write multiple registers
        ("0500010000", "8501"),  # write single coil
        ("2b0e0100", "ab01"),  # device identification
        ("0370000001", "8302"),  # an address the profile does not have
        ("0300100000", "8303"),  # no register
        ("030010007e", "8303"),  # 126 registers
        ("03001001", "8303"),  # cut short
        ("030010000200", "8303"),  # too long
    ],
)
async def test_requests_a_device_refuses_get_the_right_exception(
    plant: SimulatedPlant, pdu: str, exception: str
) -> None:
    async with plant.serving() as endpoints:
        url = endpoints["motor-1"][0]
        body = bytes([11]) + bytes.fromhex(pdu)
        request = b"\x12\x34\0\0" + len(body).to_bytes(2, "big") + body
        reply = await exchange(url, request, 260)

    assert reply.hex() == "123400000003" + "0b" + exception


async def test_requests_in_one_packet_are_answered_in_order(plant: SimulatedPlant) -> None:
    one = bytes.fromhex("0001000000060b0300100002")
    two = bytes.fromhex("0002000000060b0300200002")
    async with plant.serving() as endpoints:
        place = urlsplit(endpoints["motor-1"][0])
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(one + two)
        replies = await asyncio.wait_for(reader.readexactly(26), 5)
        writer.close()
        await writer.wait_closed()

    assert (replies[:9].hex(), replies[13:22].hex()) == ("0001000000070b0304", "0002000000070b0304")


async def test_bytes_that_are_no_modbus_end_the_connection(plant: SimulatedPlant) -> None:
    async with plant.serving() as endpoints:
        assert await exchange(endpoints["motor-1"][0], b"GET / HTTP/1.1\r\n\r\n", 100) == b""


async def test_a_unit_that_is_not_there_is_reported_by_tcp_and_silent_on_rtu(plant: SimulatedPlant) -> None:
    async with plant.serving() as endpoints:
        tcp = await exchange(endpoints["motor-1"][0], bytes.fromhex("000100000006630300100002"), 100)
        body = bytes.fromhex("630300100002")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await exchange(endpoints["boiler-1"][0], body + crc16(body), 100)

    assert tcp.hex() == "000100000003" + "63" + "830b"


@pytest.mark.parametrize(("device", "block"), [("motor-1", ENERGY), ("boiler-1", GAS), ("meter-1", IMPORT)])
async def test_a_silenced_device_does_not_answer_counts_on_and_comes_back(
    plant: SimulatedPlant, device: str, block: Block
) -> None:
    plant.advance(60)
    async with plant.serving() as endpoints:
        url, unit = endpoints[device]
        client = master(url)
        before = await read(client, unit, block)
        client.close()

        plant.silence(device, True)
        deaf = master(url, timeout_s=0.3)
        with pytest.raises((TimeoutError, ModbusInvalidResponseError)):
            await read(deaf, unit, block)
        deaf.close()
        plant.advance(60)

        plant.silence(device, False)
        client = master(url)
        after = await read(client, unit, block)
        client.close()

    assert after > before


async def test_a_serial_line_is_a_terminal_linked_at_its_path_and_gone_afterwards(
    plant: SimulatedPlant, tmp_path: Path
) -> None:
    link = tmp_path / "line"
    link.symlink_to(tmp_path / "left-over")
    async with plant.serving() as endpoints:
        assert endpoints["meter-1"][0] == f"rtu://{link}?baud=115200&parity=N&stop=1"
        assert link.resolve().is_char_device()

    assert not link.is_symlink()


async def test_an_existing_serial_port_is_used_as_it_is() -> None:
    ours, theirs = os.openpty()
    profile = load_profile("generic/steam-boiler")
    answering = Answering("line", {1: Unit(Registers(profile, dict).read)}, None)
    entry = LineEntry(name="line", kind="serial", path=os.ttyname(theirs))
    body = bytes.fromhex("010300100002")
    async with serve(entry, answering) as url:
        assert url == f"rtu://{os.ttyname(theirs)}?baud=9600&parity=N&stop=1"
        os.write(ours, body + crc16(body))
        reply = await asyncio.wait_for(asyncio.to_thread(os.read, ours, 100), 5)
    os.close(ours)
    os.close(theirs)

    assert reply[:3].hex() == "010304"
    assert crc16(reply[:-2]) == reply[-2:]


async def test_a_client_that_never_reads_does_not_stop_a_serial_line(plant: SimulatedPlant) -> None:
    body = bytes.fromhex("0d0400000036")  # replies of 113 bytes: together more than a terminal keeps
    request = body + crc16(body)
    async with plant.serving() as endpoints:
        path = urlsplit(endpoints["meter-1"][0]).path
        port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        for _ in range(1500):
            os.write(port, request)
            await asyncio.sleep(0)
        os.close(port)
        client = master(endpoints["meter-1"][0])
        await asyncio.sleep(0.3)

        assert len(await read(client, 13, IMPORT)) == 4
        client.close()


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (lambda port, _: LineEntry(name="x", port=port), "in use by another program"),
        (lambda _, path: LineEntry(name="x", kind="serial", path=str(path / "file")), "is no serial port"),
        (lambda _, path: LineEntry(name="x", kind="serial", path=str(path / "no" / "tty")), "cannot be opened"),
        (lambda _, __: LineEntry(name="x", host="203.0.113.1", port=0), "cannot be served"),
    ],
)
async def test_a_line_that_cannot_be_served_says_why(
    entry: Callable[[int, Path], LineEntry], what: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    async with serve(LineEntry(name="first"), Answering("first", {}, None)) as url:
        port = urlsplit(url).port
        assert port
        with pytest.raises(NotServed, match=what):
            async with serve(entry(port, tmp_path), Answering("x", {}, None)):
                pass


async def test_an_error_of_the_caller_is_not_taken_for_one_of_the_line() -> None:
    with pytest.raises(ConnectionResetError):
        async with serve(LineEntry(name="x", kind="serial"), Answering("x", {}, None)):
            raise ConnectionResetError
