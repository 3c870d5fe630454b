"""A line whose connection cannot be made, breaks, or is closed: what is said, and that it is made anew."""

import asyncio
import errno
import os
import socket
import termios
import threading

import pytest
import serial

from drivers.endpoint import parse_endpoint
from drivers.errors import LineDown
from drivers.line import Line
from drivers.reading import Block, Outcome
from drivers.remedy import explain
from tests.certificates import Authority
from tests.drivers.lines import SOCKETS, TIMEOUT_S, Once, device, follow_up, opened
from tests.modbus_rig import TRANSPORTS

pytestmark = pytest.mark.integration


NO_ANSWER = "the host name cannot be looked up now"
ASK_ELSEWHERE = "check network and name server, or give an address"


@pytest.mark.parametrize("transport", SOCKETS)
async def test_a_device_that_starts_later_is_connected_to_later(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as gone:
        url = gone.url
    port = parse_endpoint(url).port
    async with opened(url) as line:
        with pytest.raises(LineDown, match=r"connection refused: start the Modbus server") as caught:
            await line.read(1, Block(3, 0, 2))
        assert caught.value.exchange is None
        async with device(transport, authority, port=port):
            await follow_up(line)

    assert line.stats.requests == 8


@pytest.mark.parametrize("transport", SOCKETS)
async def test_a_connection_that_breaks_while_waiting_is_line_down_and_then_made_anew(
    transport: str, authority: Authority
) -> None:
    script = Once(2, lambda request: [(0, request.reply()[:4]), (0.02, None)])
    async with device(transport, authority, script) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        with pytest.raises(LineDown, match="closed by the device") as caught:
            await line.read(1, Block(3, 0, 2))
        await follow_up(line)

    assert caught.value.exchange is not None
    assert caught.value.exchange.outcome is Outcome.LINE_DOWN
    assert len(caught.value.exchange.reply) == 4
    assert (there.connections, line.stats.reconnects) == (2, 1)


@pytest.mark.parametrize("transport", SOCKETS)
async def test_a_device_that_dies_is_line_down_until_it_is_back(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as first:
        port = parse_endpoint(first.url).port
        line = Line("test", parse_endpoint(first.url), timeout_s=TIMEOUT_S, pause_s=0)
        await follow_up(line, reads=1)
    with pytest.raises(LineDown, match="connection refused"):
        await line.read(1, Block(3, 0, 2))
    async with device(transport, authority, port=port):
        await follow_up(line)
        await line.close()


@pytest.mark.parametrize("transport", SOCKETS)
async def test_a_connection_closed_while_nothing_was_asked_costs_no_read(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        there.hang_up()
        await asyncio.sleep(0.02)
        await follow_up(line)

    assert there.connections == 2


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_closing_a_line_ends_the_waiting_read_and_a_later_one_opens_it_again(
    transport: str, authority: Authority
) -> None:
    async with device(transport, authority, Once(2, lambda _: [])) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        read = asyncio.create_task(line.read(1, Block(3, 0, 2)))
        await there.asked(2)
        await line.close()
        with pytest.raises(LineDown, match="was closed"):
            await read
        await follow_up(line)


async def test_a_serial_adapter_that_is_pulled_out_is_line_down() -> None:
    master, slave = os.openpty()
    async with opened(f"rtu://{os.ttyname(slave)}") as line:
        os.close(slave)
        asyncio.get_running_loop().call_later(TIMEOUT_S * 1.3, os.close, master)
        with pytest.raises(LineDown, match=r"/dev/pts/\d+: "):
            await line.read(1, Block(3, 0, 2))
        with pytest.raises(LineDown, match="no such device: plug in the adapter"):
            await line.read(1, Block(3, 0, 2))


async def test_a_serial_port_in_use_is_line_down_and_names_the_remedy(authority: Authority) -> None:
    async with device("rtu", authority) as there, opened(there.url) as owner, opened(there.url) as other:
        await owner.read(1, Block(3, 0, 2))
        with pytest.raises(LineDown, match=r"/dev/pts/\d+: in use by another program: stop that one"):
            await other.read(1, Block(3, 0, 2))
        await owner.close()
        await follow_up(other)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rtu:///dev/ttyNONE7", "/dev/ttyNONE7: no such device: plug in the adapter, or correct the path"),
        ("rtu:///dev/null", "/dev/null: is not a serial port: correct the path"),
        ("rtu:///dev", "/dev: is not a serial port: correct the path"),
        ("tcp://no-such-host.invalid", "tcp://no-such-host.invalid: the host name is not known"),
        ("tls://127.0.0.1:1?ca=/no/such.pem", "/no/such.pem cannot be used .No such file or directory.: correct ca"),
        (
            "tls://127.0.0.1:1?cert=/no/such.crt",
            "/no/such.crt cannot be used .No such file or directory.: correct cert",
        ),
    ],
)
async def test_an_endpoint_that_cannot_be_used_says_why_and_what_to_do(url: str, message: str) -> None:
    async with opened(url) as line:
        with pytest.raises(LineDown, match=message) as caught:
            await line.read(1, Block(3, 0, 2))

    assert caught.value.exchange is None
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        (
            "rtu:///dev/ttyUSB0",
            serial.SerialException(errno.EACCES, "could not open port"),
            "/dev/ttyUSB0: permission denied: add the user to group dialout",
        ),
        (
            "rtu:///dev/ttyUSB0",
            serial.SerialException("Could not configure port: (22, 'Invalid argument')"),
            "/dev/ttyUSB0: does not take these settings: check baud, parity and stop",
        ),
        (
            "rtu:///dev/ttyUSB0",
            termios.error(errno.EIO, "Input/output error"),
            "/dev/ttyUSB0: input/output error: check the adapter and its cable",
        ),
        (
            "tcp://plc",
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 502), [Errno 111] Connect call failed"
            ),
            "tcp://plc: connection refused: start the Modbus server there, or correct host and port",
        ),
        (
            "tcp://plc",
            TimeoutError(),
            "tcp://plc: the connection timed out: check address, power, cabling and firewall",
        ),
        (
            "tcp://plc",
            socket.gaierror(-2, "Name or service not known"),
            "tcp://plc: the host name is not known: correct it, or check this machine's name server",
        ),
        (
            "tcp://plc",
            socket.gaierror(-3, "Temporary failure in name resolution"),
            f"tcp://plc: {NO_ANSWER} (temporary failure in name resolution): {ASK_ELSEWHERE}",
        ),
        (
            "tcp://plc",
            socket.gaierror(-3, "24 other names wait for the name server"),
            f"tcp://plc: {NO_ANSWER} (24 other names wait for the name server): {ASK_ELSEWHERE}",
        ),
        (
            "tcp://plc",
            RuntimeError("can't start new thread"),
            "tcp://plc: can't start new thread: raise the limit of threads (TasksMax= of the unit), or end others",
        ),
        ("tcp://plc", OSError("odd"), "tcp://plc: odd: check the URL and the other end"),
    ],
)
def test_every_failure_to_connect_is_told_in_one_line(url: str, error: Exception, message: str) -> None:
    assert explain(parse_endpoint(url), error) == message


async def test_where_no_thread_can_be_had_to_look_up_a_name_the_line_is_down_until_one_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise RuntimeError("can't start new thread")

    async with opened("tcp://plc.invalid") as line:
        with monkeypatch.context() as short:
            short.setattr(threading.Thread, "start", full)
            with pytest.raises(LineDown, match=r"plc\.invalid: can't start new thread: raise the limit of threads"):
                await line.read(1, Block(3, 0, 2))
        with pytest.raises(LineDown, match="the host name"):
            await line.read(1, Block(3, 0, 2))


async def test_a_host_that_accepts_and_says_nothing_is_given_up(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.connection._CONNECT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with opened(f"tls://127.0.0.1:{port}?ca={authority.file}", timeout_s=0.1) as line:
            with pytest.raises(LineDown, match="the connection timed out: check address"):
                await line.read(1, Block(3, 0, 2))
