"""One connection to an endpoint: bytes out, judged replies in. The only importer of pymodbus's client side.

pymodbus opens the transport (socket, TLS, serial port), encodes the four reading requests and frames them. Its
matching of replies is not used: it takes a late RTU reply for the answer to the next request and does not compare
byte counts, and its client would put the writing functions within reach. What a reply is worth, `drivers.guard` says.
"""

import asyncio
import errno
import logging
import re
import socket
import ssl
import termios
import time
from collections.abc import Mapping

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest
from pymodbus.transport import CommParams, CommType, ModbusProtocol

from drivers.endpoint import Endpoint
from drivers.errors import LineDown
from drivers.guard import Asked, Judge, Verdict, data_bytes, judge_mbap, judge_rtu
from drivers.reading import Block, Outcome

# pymodbus logs what it also reports; the user learns of it once, through the errors of this package.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)

_REQUESTS = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
_LARGEST_CHUNK = 1 << 20

_NETWORK_REMEDIES: Mapping[int, str] = {
    errno.ECONNREFUSED: "connection refused: start the Modbus server there, or correct host and port",
    errno.EHOSTUNREACH: "no route to the host: check address, cabling and gateway",
    errno.ENETUNREACH: "network unreachable: check the network settings of this machine",
    errno.ETIMEDOUT: "the connection timed out: check address, power, cabling and firewall",
    errno.EACCES: "permission denied: check the firewall of this machine",
    errno.EMFILE: "too many open files: raise the limit of this process (LimitNOFILE)",
}
_SERIAL_REMEDIES: Mapping[int, str] = {
    errno.ENOENT: "no such device: plug in the adapter, or correct the path (ls /dev/serial/by-id)",
    errno.ENODEV: "no such device: plug in the adapter, or correct the path (ls /dev/serial/by-id)",
    errno.ENXIO: "no such device: plug in the adapter, or correct the path (ls /dev/serial/by-id)",
    errno.EACCES: "permission denied: add the user to group dialout",
    errno.EPERM: "permission denied: add the user to group dialout",
    errno.EAGAIN: "in use by another program: stop that one (fuser -v names it)",
    errno.EBUSY: "in use by another program: stop that one (fuser -v names it)",
    errno.ENOTTY: "is not a serial port: correct the path",
    errno.EISDIR: "is not a serial port: correct the path",
    errno.EINVAL: "does not take these settings: check baud, parity and stop",
    errno.EIO: "input/output error: check the adapter and its cable",
}
_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH, _EXPIRED, _NOT_YET_VALID = 62, 64, 10, 9  # X509_V_ERR_* of OpenSSL
_CERTIFICATE_REMEDIES: Mapping[int, str] = {
    _HOSTNAME_MISMATCH: "use the name in the certificate as the host, or give the device a certificate for this name",
    _ADDRESS_MISMATCH: "use the name in the certificate as the host, or give the device a certificate for this address",
    _EXPIRED: "renew the device's certificate, or correct this machine's clock",
    _NOT_YET_VALID: "correct this machine's clock, or the device's certificate",
}


class Wire(ModbusProtocol):
    """One connection, used by one task; once `lost` it stays so, and another is made.

    `received` holds the bytes since the last request, `unasked` counts those that came while nothing was asked.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(_parameters(endpoint), is_server=False)
        self.max_buffer_size = _LARGEST_CHUNK  # pymodbus drops larger chunks unseen; here every byte is counted
        self._endpoint = endpoint
        self._framer = (FramerRTU if endpoint.serial else FramerSocket)(DecodePDU(is_server=False))
        self._judge: Judge = judge_rtu if endpoint.serial else judge_mbap
        self._asked: Asked | None = None
        self._pending: asyncio.Future[Verdict] | None = None
        self._made = asyncio.Event()
        self.gone: asyncio.Future[None] = self.loop.create_future()
        self.received = b""
        self.received_ns = 0
        self.time_ns = 0
        self.unasked = 0
        self.unasked_at = 0.0

    @property
    def lost(self) -> bool:
        """Whether the connection is closed or broken."""
        return self.gone.done()

    async def open(self) -> None:
        """Connect; raise what the transport raises."""
        self.transport, _ = await self.call_create()
        try:
            await self._made.wait()  # a serial port is set up by callbacks that have yet to run
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Close at once, without waiting for the other end; who waits for a reply learns of it."""
        if self.is_active():
            self.transport.abort()  # type: ignore[attr-defined]  # pymodbus declares the base of all transports
        self._settle(Verdict(Outcome.LINE_DOWN, self.received, reason=f"{_place(self._endpoint)}: the line was closed"))
        if self._endpoint.device:
            self._mark_gone()  # only sockets call back when closed from this side

    def ask(self, unit: int, block: Block, transaction: int) -> tuple[Asked, asyncio.Future[Verdict]]:
        """Send one request; return it with the future of its verdict."""
        pdu = _REQUESTS[block.function](
            dev_id=unit, transaction_id=transaction, address=block.address, count=block.count
        )
        asked = Asked(self._framer.buildFrame(pdu), unit, block.function, data_bytes(block))
        self._asked = asked
        self._pending = self.loop.create_future()
        self.received = b""
        self.send(asked.request)
        return asked, self._pending

    def callback_connected(self) -> None:
        """Note that the transport is ready."""
        self._made.set()

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Tell who waits for a reply why none will come."""
        reason = explain(self._endpoint, exc) if exc else _closed_by_the_device(self._endpoint)
        self._settle(Verdict(Outcome.LINE_DOWN, self.received, reason=reason))
        self._mark_gone()

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:  # noqa: ARG002 - its signature
        """Judge what has come so far, or count it as unasked; every byte is taken."""
        if self._asked is None or self._pending is None or self._pending.done():
            self.unasked += len(data)
            self.unasked_at = time.monotonic()
            return len(data)
        self.stamp()
        self.received += data
        verdict = self._judge(self._asked, self.received)
        if verdict is not None:
            self._settle(verdict)
        return len(data)

    def callback_new_connection(self) -> ModbusProtocol:
        """Never called: this side connects."""
        raise NotImplementedError

    def stamp(self) -> None:
        """Take the times at which the exchange ended, as far as is known now."""
        self.received_ns = time.monotonic_ns()
        self.time_ns = time.time_ns()

    def _settle(self, verdict: Verdict) -> None:
        if self._pending is not None and not self._pending.done():
            if verdict.outcome is Outcome.LINE_DOWN:
                self.stamp()
            self._pending.set_result(verdict)

    def _mark_gone(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


async def connect(endpoint: Endpoint, timeout_s: float) -> Wire:
    """Return an open connection; raise LineDown with cause and remedy."""
    try:
        wire = Wire(endpoint)
        async with asyncio.timeout(timeout_s):
            await wire.open()
    except (OSError, ValueError, termios.error) as error:  # TimeoutError is an OSError, SerialException too
        raise LineDown(explain(endpoint, error)) from error
    return wire


def explain(endpoint: Endpoint, error: Exception) -> str:
    """Return one line with place, cause and remedy for what a transport raised."""
    place = _place(endpoint)
    if isinstance(error, ssl.SSLError):
        return f"{place}: {_explain_tls(error)}"
    if isinstance(error, socket.gaierror):
        return f"{place}: the host name is not known: correct it, or check this machine's name server"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return _closed_by_the_device(endpoint)
    number = _error_number(error)
    if isinstance(error, TimeoutError) and number == 0:
        number = errno.ETIMEDOUT
    remedies = _SERIAL_REMEDIES if endpoint.device else _NETWORK_REMEDIES
    return f"{place}: {remedies.get(number) or f'{error}: check the URL and the other end'}"


def _error_number(error: Exception) -> int:
    """Return the system's error number, which some of the libraries only leave in the text; 0 for none."""
    number = getattr(error, "errno", None)
    if not number:
        found = re.search(r"\[Errno (\d+)\]|\((\d+), '", str(error))
        number = int(found[1] or found[2]) if found else 0
    return int(number)


def _explain_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = _CERTIFICATE_REMEDIES.get(error.verify_code, "name the certificate authority that signed it with ca=")
        return f"the device's certificate does not match ({error.verify_message.rstrip('.')}): {remedy}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "alert" in reason:
        return f"the device refused this side's certificate ({reason}): give the right ones with cert= and key="
    return f"no TLS connection ({reason}): check that the device speaks TLS on this port (else use tcp://)"


def _closed_by_the_device(endpoint: Endpoint) -> str:
    wants = (
        "want a client certificate (cert= and key=), " if endpoint.scheme == "tls" and not endpoint.cert_file else ""
    )
    return f"{_place(endpoint)}: closed by the device: it may {wants}allow fewer connections, or be restarting"


def _place(endpoint: Endpoint) -> str:
    return endpoint.device or endpoint.url.partition("?")[0]


def _parameters(endpoint: Endpoint) -> CommParams:
    if endpoint.device:
        return CommParams(
            comm_name="line",
            comm_type=CommType.SERIAL,
            host=endpoint.device,
            baudrate=endpoint.baud,
            bytesize=endpoint.data_bits,
            parity=endpoint.parity,
            stopbits=endpoint.stop,
        )
    tls = endpoint.scheme == "tls"
    return CommParams(
        comm_name="line",
        comm_type=CommType.TLS if tls else CommType.TCP,
        host=endpoint.host,
        port=endpoint.port,
        sslctx=_tls_context(endpoint) if tls else None,
    )


def _tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return a context that checks the device's name and certificate; raise LineDown for unusable files."""
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file)
    except OSError as error:
        raise LineDown(_bad_file(endpoint, "ca", endpoint.ca_file, error)) from error
    if endpoint.cert_file:
        try:
            # Without a password at hand OpenSSL would ask for one on the terminal and stop the program.
            context.load_cert_chain(endpoint.cert_file, endpoint.key_file, password=lambda: "")
        except OSError as error:
            files = " and ".join(filter(None, (endpoint.cert_file, endpoint.key_file)))
            raise LineDown(_bad_file(endpoint, "cert and key", files, error)) from error
    return context


def _bad_file(endpoint: Endpoint, key: str, file: str | None, error: OSError) -> str:
    reason = error.reason.lower().replace("_", " ") if isinstance(error, ssl.SSLError) and error.reason else None
    reason = reason or error.strerror or str(error)
    return f"{_place(endpoint)}: {file} cannot be used ({reason}): correct {key} in the URL, or the file and its rights"
