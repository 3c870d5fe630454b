"""One connection to an endpoint: bytes out, judged replies in. The only importer of pymodbus's transports.

pymodbus opens the transport (socket, TLS, serial port); `drivers.request` has it encode what is asked. Its
matching of replies is not used: it takes a late RTU reply for the answer to the next request and does not compare
byte counts, and its client would put the writing functions within reach. What a reply is worth, `drivers.guard` says.
"""

import asyncio
import logging
import termios
import time
from contextlib import suppress

from pymodbus.transport import CommParams, CommType, ModbusProtocol

from drivers.endpoint import Endpoint
from drivers.errors import LineDown
from drivers.expiry import Expiry
from drivers.guard import Asked, Judge, Verdict, check_frame, judge_mbap, judge_rtu
from drivers.hint import PortErrors
from drivers.overdue import Overdue
from drivers.port import counted, waiting, write_now
from drivers.reading import Outcome
from drivers.remedy import closed_by_the_device, explain, place
from drivers.request import number_of
from drivers.tls import tls_context

# pymodbus logs what it also reports; the user learns of it once, through the errors of this package.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)

_LINE_DOWN = Outcome.LINE_DOWN
_FLOOD = 1 << 14
"""Bytes that may come unasked before the connection is closed; a second master sends as many in seconds."""
_READING_NS = 2000
"""Time that may pass between the readings of two clocks; it comes in captures, where it is noise."""


Pending = asyncio.Future[Verdict | None]
"""What is made of the reply to a request; None when it did not come in time."""


class Wire(ModbusProtocol):
    """One connection, used by one task; once `lost` it stays so, and another is made.

    `received` holds the bytes since the last request, `unasked` counts those that came while nothing was asked,
    `late` those of replies to requests given up before, `silences` the requests in a row without a byte in return.
    """

    # With pymodbus's own attributes they would be more than Python keeps without a large table for each connection.
    __slots__ = (
        "_apart_ns",
        "_asked",
        "_counted_before",
        "_endpoint",
        "_judge",
        "_made",
        "_overdue",
        "_pending",
        "_serial",
        "expiry",
        "gone",
        "late",
        "received",
        "received_ns",
        "silences",
        "time_ns",
        "unasked",
        "unasked_at",
    )

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(_parameters(endpoint), is_server=False)
        self._endpoint = endpoint
        self._serial = endpoint.serial
        self._judge: Judge = judge_rtu if self._serial else judge_mbap
        self._asked: Asked | None = None
        self._pending: Pending | None = None
        self.expiry: Expiry | None = None
        """What ends the wait for the last reply, unless told that it is over."""
        self._made: asyncio.Future[None] = self.loop.create_future()
        self._counted_before = (0, 0, 0)
        self.gone: asyncio.Future[None] = self.loop.create_future()
        self.received = b""
        self.received_ns = 0
        self.time_ns = 0
        self._apart_ns = 0
        self.unasked = 0
        self.unasked_at = 0.0
        self.late = 0
        self.silences = 0
        self._overdue = Overdue()

    @property
    def lost(self) -> bool:
        """Whether the connection is closed or broken."""
        return self.gone.done()

    @property
    def waiting(self) -> bool:
        """Whether bytes have come that the loop has yet to hand on. For RTU frames; over TLS they are not seen."""
        return self._serial and waiting(self._descriptor())  # over Modbus/TCP the numbers tell old replies

    def _descriptor(self) -> int:
        port = getattr(self.transport, "sync_serial", None) or self.transport.get_extra_info("socket")
        descriptor: int = port.fileno()
        return descriptor

    @property
    def port_errors(self) -> PortErrors:
        """What the driver of a serial port has counted since it was opened; zeros where it does not count."""
        now = self._counted()
        return PortErrors(*(after - before for before, after in zip(self._counted_before, now, strict=True)))

    def _counted(self) -> tuple[int, int, int]:
        if self.lost or not self._endpoint.device:
            return (0, 0, 0)
        return counted(self._descriptor())

    async def open(self) -> None:
        """Connect; raise what the transport raises.

        A USB adapter is asked to hand on what it has at once: left alone it collects bytes for up to 16 ms.
        """
        self.transport, _ = await self.call_create()
        try:
            await self._made  # a serial port is set up by callbacks that have yet to run
        except asyncio.CancelledError:
            self.abort()
            raise
        if self._endpoint.device:
            with suppress(ValueError):  # no such mode: pseudo-terminals, plain UARTs of some makes
                self.transport.sync_serial.set_low_latency_mode(True)  # type: ignore[attr-defined]  # pymodbus's own
        self._counted_before = self._counted()

    def abort(self) -> None:
        """Close at once, without waiting for the other end; who waits for a reply learns of it."""
        if self.is_active():
            self.transport.abort()  # type: ignore[attr-defined]  # pymodbus declares the base of all transports
        self._settle(Verdict(Outcome.LINE_DOWN, self.received, reason=f"{place(self._endpoint)}: the line was closed"))
        if self._endpoint.device:
            self._mark_gone()  # only sockets call back when closed from this side

    def ask(self, asked: Asked, pending: Pending) -> None:
        """Send one request; `pending` gets its verdict, None when it expires before."""
        self._asked, self._pending = asked, pending
        if self._overdue.expected:
            self._overdue.forget(number_of(asked))
        self.received = b""
        self.send(asked.request)

    def expire(self) -> None:
        """End the wait for a reply."""
        if self._pending is not None and not self._pending.done():
            self._pending.set_result(None)

    def give_up(self, asked: Asked) -> None:
        """Drop the reply to a request with MBAP header should it still come: its number tells it from all others."""
        self.silences += 1
        self._overdue.add(number_of(asked))

    def send(self, data: bytes, addr: tuple[str, int] | None = None) -> None:  # noqa: ARG002 - its signature
        """Send bytes if they are one request that reads; raise ValueError for all others."""
        check_frame(data, serial=self._serial)
        # To a serial port pymodbus writes in the loop's next round: what comes until then would pass for an answer.
        if self.is_active() and not (self._endpoint.device and write_now(self._descriptor(), data)):
            self.transport.write(data)  # type: ignore[attr-defined]  # pymodbus declares the base of all transports

    def data_received(self, data: bytes) -> None:
        """Judge what has come so far, or count it as unasked; every byte is taken.

        pymodbus would copy what comes, and drop large chunks unseen.
        """
        self.silences = 0
        pending = self._pending
        asked = self._asked if pending is not None and not pending.done() else None
        if self._overdue.expected and not (self.received if asked else self.unasked):  # what comes next begins a frame
            size = len(data)
            data = self._overdue.rest(data)
            self.late += size - len(data)
        if asked is None:
            self._count_unasked(len(data))
        elif data:
            self.stamp()
            self.received = joined = self.received + data
            if self._overdue.expected:
                self.received = self._overdue.behind(joined)
                self.late += len(joined) - len(self.received)
            verdict = self._judge(asked, self.received)
            if verdict is not None:
                self._settle(verdict)

    def callback_connected(self) -> None:
        """Note that the transport is ready."""
        if not self._made.done():
            self._made.set_result(None)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Tell who waits for a reply why none will come."""
        reason = explain(self._endpoint, exc) if exc else closed_by_the_device(self._endpoint)
        self._settle(Verdict(Outcome.LINE_DOWN, self.received, reason=reason))
        self._mark_gone()

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Never called: bytes are taken as they come."""
        raise NotImplementedError

    def _count_unasked(self, size: int) -> None:
        if not size:
            return
        self.unasked += size
        self.unasked_at = time.monotonic()
        if self.unasked > _FLOOD:
            self.abort()  # not even read any more

    def callback_new_connection(self) -> ModbusProtocol:
        """Never called: this side connects."""
        raise NotImplementedError

    def stamp(self) -> None:
        """Take the times at which the exchange ended, as far as is known now.

        Both clocks run alike; that they are read one after the other shall not look as if they did not.
        """
        self.received_ns = time.monotonic_ns()
        apart_ns = time.time_ns() - self.received_ns
        if abs(apart_ns - self._apart_ns) > _READING_NS:
            self._apart_ns = apart_ns
        self.time_ns = self.received_ns + self._apart_ns

    def _settle(self, verdict: Verdict) -> None:
        if self._pending is not None and not self._pending.done():
            if verdict.outcome is _LINE_DOWN:
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
    # TimeoutError is an OSError, SerialException too; where no thread can be had for a name, that is a RuntimeError.
    except (OSError, ValueError, RuntimeError, termios.error) as error:
        raise LineDown(explain(endpoint, error)) from error
    return wire


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
        sslctx=tls_context(endpoint) if tls else None,
    )
