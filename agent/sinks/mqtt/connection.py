"""One MQTT connection whose every acknowledgement is looked at."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.sinks import SinkUnavailable
from agent.sinks.mqtt.reading import Reading
from agent.sinks.mqtt.reasons import ABOUT_A_MESSAGE, ending
from agent.sinks.mqtt.writing import Writing
from agent.turns import next_turn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ANSWER_S = 20.0
"""Longest wait for the acknowledgement of one message."""
_TURN_S = 1.0
WINDOW = 100
"""Messages under way at once; fewer when the broker says so."""
_OVERHEAD = 32
"""Bytes of a message beside topic and payload: headers 9 at most, properties 20."""


class TlsSocket(ssl.SSLSocket):
    """A socket that is closed behind a failed handshake, and ends with the broker's word where it gave one."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  # the standard library's signature
        """Shake hands; close the socket when that fails, which paho leaves open."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        """Send; raise what the broker said before it closed, where it did.

        With TLS 1.3 a client is done before the broker has looked at its certificate: a refusal waits to be read while
        the first message is already written to a closed connection, of which the system knows nothing but its end.
        """
        try:
            return super().send(data, flags)
        except ssl.SSLEOFError:
            self._hear()
            raise

    def _hear(self) -> None:
        """Raise the alert that the broker sent, if there is one to read."""
        try:
            super().recv(1)
        except ssl.SSLError as said:
            if "ALERT" in (said.reason or ""):
                raise
        except OSError:  # the connection was reset: there is nothing to read
            return


class _Errors(logging.Handler):
    """Keeps the last error that paho only logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take the error out of a log line."""
        found = [arg for arg in record.args or () if isinstance(arg, BaseException)]
        self.last = found[-1] if found else self.last


def _properties(protocol: aiomqtt.ProtocolVersion) -> bytes:
    """Return the properties of every message as they go over the line; before MQTT 5 there are none."""
    if protocol != aiomqtt.ProtocolVersion.V5:
        return b""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types it in part
    properties.ContentType = "application/json"
    packed: bytes = properties.pack()  # type: ignore[no-untyped-call]  # the same
    return packed


class _Window(asyncio.Semaphore):
    """How many messages may be under way; who waits for room comes first."""

    def take(self) -> bool:
        """Take a place if one is free at once."""
        if self.locked():
            return False
        self._value -= 1
        return True


class Connection(aiomqtt.Client):
    """One connection, used once, that hands every PUBACK's reason code to whoever published.

    aiomqtt's own `publish` returns normally whatever the broker's answer says, and a client object that reconnects
    sends again what raised before; hence the answers are taken here, and a new object is made for each connection.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        # Errors alone: below that paho has something to say of every packet, which costs a fifth of all time.
        logger = logging.Logger("paho", logging.ERROR)  # noqa: LOG001  # of this connection alone: what it says is read, not printed
        self._errors = _Errors()
        logger.addHandler(self._errors)
        super().__init__(*args, logger=logger, **options)
        self._answers: dict[int, tuple[asyncio.Future[int], float]] = {}
        self._room = _Window(WINDOW)
        self.on_room: Callable[[], None] = lambda: None
        """Called when the window has room again, once for all acknowledgements that came together."""
        self._room_told = True
        self._largest = 0
        self._let_go = False
        self._writing = Writing(self._client, _properties(options["protocol"]), self._answers)
        Reading(self._client, self._answered)

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection has ended."""
        return self._disconnected

    def fits(self, topic: str, payload: bytes) -> bool:
        """Whether the broker takes a message of this size."""
        return not self._largest or len(topic.encode()) + len(payload) + _OVERHEAD <= self._largest

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> asyncio.Future[int]:  # type: ignore[override]  # on purpose: see the class
        """Send a message when there is room in the window; return the future of its reason code.

        What is sent in one step of the loop goes to the broker together.
        """
        await self._room.acquire()
        if self._client.socket() is None:
            raise SinkUnavailable("the connection to the broker is lost", unsaid=self.ended_with in ABOUT_A_MESSAGE)
        if not self._writing.waits:
            self._loop.call_soon(self._carefully, self._writing.write)
        return self._sent(topic, payload, retain=retain)

    def offer(self, topic: str, payload: bytes) -> asyncio.Future[int] | None:
        """Send a message at once if there is room in the window; return the future of its reason code, else None."""
        if not self._room.take():
            # Answers that have come make room: the loop may be long at something else before it looks for them.
            self._carefully(self._client.loop_read)
            if not self._room.take():
                return None
        if self.lost.done() or self._client.socket() is None:
            return None
        answer = self._sent(topic, payload, retain=False)
        self._carefully(self._writing.write)
        return answer

    def _sent(self, topic: str, payload: bytes, *, retain: bool) -> asyncio.Future[int]:
        """Hand a message that has its place in the window to what writes; return the future of its reason code."""
        try:
            number = self._writing.add(topic, payload, retain=retain)
        except ValueError:
            self._room.release()  # no answer will
            raise
        answer: asyncio.Future[int] = self._loop.create_future()
        self._answers[number] = (answer, time.monotonic())
        return answer

    @property
    def ended_with(self) -> int | None:
        """The reason code with which the connection ended; None while it stands, or when there is none."""
        cause = self.lost.exception() if self.lost.done() else None
        code = cause.rc if isinstance(cause, aiomqtt.MqttCodeError) else None
        return code.value if isinstance(code, ReasonCode) and code.is_failure else None

    async def until_lost(self) -> None:
        """Wait for the end of the connection; raise SinkUnavailable then."""
        await asyncio.wait((self.lost,))
        unsaid = self.ended_with in ABOUT_A_MESSAGE
        raise SinkUnavailable(ending(self.ended_with), unsaid=unsaid) from self.lost.exception()

    async def unless_lost(self, job: Coroutine[Any, Any, None]) -> None:
        """Return when the job is done; raise SinkUnavailable when the connection ends before."""
        doing = asyncio.ensure_future(job)
        try:
            await asyncio.wait((doing, self.lost), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            else:
                await self.until_lost()
        finally:
            if not doing.done():
                doing.cancel()
                await asyncio.gather(doing, return_exceptions=True)

    async def _misc_loop(self) -> None:
        """Do what aiomqtt's own does, pings above all, when everybody else looks whether there is something to do."""
        while self._client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            await next_turn(_TURN_S)

    async def until_silent(self) -> None:
        """Wait until a message stays without answer for too long; raise SinkUnavailable then."""
        while True:
            await next_turn(_TURN_S)
            oldest = next(iter(self._answers.values()), None)
            if oldest and time.monotonic() - oldest[1] > ANSWER_S:
                raise SinkUnavailable("the broker does not acknowledge")

    @property
    def last_error(self) -> BaseException | None:
        """The last error of the socket, where there was one."""
        return self._errors.last

    def abandon(self) -> None:
        """Close the socket, whatever state the connection is in."""
        self._client._sock_close()  # noqa: SLF001  # paho closes a socket only after a farewell the peer may never answer
        if self.lost.done():
            self.lost.exception()  # seen: nobody else may be left to look

    def let_go(self) -> None:
        """Close what a cancelled attempt to connect has opened or, its thread still running, is about to open."""
        self._let_go = True
        # Later, because what that thread has asked of the loop for this socket comes first.
        self._loop.call_soon(self.abandon)

    def _client_connect(self) -> None:
        super()._client_connect()
        if self._let_go:
            self._loop.call_soon_threadsafe(self.abandon)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        # paho gives up a ping that stays without answer for as long again as it waited before it: with half the time,
        # less the second it may look late each, a dead link is noticed within the keep-alive told to the broker.
        # A broker may ask for a shorter one, or for none; a longer one is no reason to notice later.
        told = getattr(properties, "ServerKeepAlive", 0) or self._keepalive
        self._client._keepalive = max(min(told, self._keepalive) / 2 - 1, 1)  # type: ignore[assignment]  # noqa: SLF001  # paho has no setting for this, and only compares it
        window = getattr(properties, "ReceiveMaximum", WINDOW)
        self._room = _Window(min(window, WINDOW))
        self._largest = getattr(properties, "MaximumPacketSize", 0)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *args: Any) -> None:
        if not self._connected.done():
            # The base class would leave whoever connects waiting for its time-out.
            self._connected.set_exception(aiomqtt.MqttError("closed before it was accepted"))
        super()._on_disconnect(*args)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002  # paho's signature
        # The base class watches a moment later, by its number, what may be closed by then.
        self._loop.call_soon_threadsafe(self._watch, client, sock)

    def _watch(self, client: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._carefully, client.loop_write)

    def _carefully(self, job: Callable[[], object]) -> None:
        """Read or write; whatever goes wrong, this connection is over."""
        try:
            job()
        except Exception as error:  # noqa: BLE001  # whatever it is
            if not self.lost.done():
                self.lost.set_exception(error)

    def _tell_room(self) -> None:
        self._room_told = True
        self.on_room()
        sock: Any = self._client.socket()
        if self._answers and sock is not None and not self._writing.waits:
            # Nothing goes to the broker with which the kernel would say at once that answers have come; without that
            # the broker's holds the next ones back (Nagle's algorithm), for 40 ms.
            self._carefully(partial(sock.setsockopt, socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1))

    def _answered(self, number: int, code: int) -> None:
        """Take the reason code of a message."""
        found = self._answers.pop(number, None)
        if found is None:
            return  # nobody has sent it
        self._room.release()
        if self._room_told:
            self._room_told = False
            self._loop.call_soon(self._tell_room)
        answer, _ = found
        if not answer.done():
            answer.set_result(code)
