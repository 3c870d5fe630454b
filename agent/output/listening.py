"""Outputs told by other systems: a client of its own at the broker of `[mqtt]`, and what it hears into the books.

Invariants:

- While the time is not known what is heard waits, in bounds, and is booked with the times it was heard at.
- What the broker has retained is no news of an increment and is left out; of a sum it is what stands.
- The session at the broker outlives a restart, so that increments published meanwhile are not lost.
"""

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.board import Board
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S, Reading
from agent.output.message import parse
from agent.sections.mqtt import MqttConfig
from agent.sections.output import OutputSection
from agent.sinks import SinkUnavailable, together
from agent.sinks.mqtt import MqttSink
from agent.sinks.mqtt.connection import Connection
from agent.sinks.mqtt.sink import KEEPALIVE_S
from agent.tape import NO_TAPE, Tape
from agent.tape.notes import Received
from agent.timekeeping import Timekeeper
from agent.turns import next_turn
from drivers.reading import Quality
from drivers.value import frozen

_log = logging.getLogger(__name__)

_MOST_WAITING = 10_000
_PAUSE_S = 5.0
_TURN_S = 1.0
_SESSION_S = 7 * 86_400
_AHEAD_NS = 60 * NS_PER_S
"""How far a clock of another system may be ahead."""


@frozen
class _Heard:
    """A number of one output, when it was heard (monotonic, ns), and its own time (wall clock, ns) if it has one."""

    output: str
    value: float
    monotonic_ns: int
    time_ns: int | None


class Listener:
    """Hears what other systems say of outputs."""

    def __init__(
        self, keeper: Timekeeper, board: Board, *, ready: Callable[[], bool], boot_id: str, tape: Tape = NO_TAPE
    ) -> None:
        """`ready` says whether the time is known and what came before is booked; `tape` is told of each reading."""
        self._keeper, self._board, self._ready, self._boot, self._tape = keeper, board, ready, boot_id, tape
        self._waiting: deque[_Heard] = deque(maxlen=_MOST_WAITING)
        self._told: dict[str, str] = {}
        self._sections: tuple[OutputSection, ...] = ()
        self._mqtt: MqttConfig | None = None
        self._changed = asyncio.Event()

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger; what else it says of topics is heard on a new connection."""
        self._config, self._ledger = config, ledger
        sections = tuple(section for section in config.outputs if section.topic)
        if (sections, config.mqtt) != (self._sections, self._mqtt):
            self._sections, self._mqtt = sections, config.mqtt
            self._changed.set()

    async def run_for_ever(self) -> None:
        """Listen, connecting again and again, and book what is heard."""
        await together(self._book_for_ever, self._listen_for_ever)

    async def _book_for_ever(self) -> None:
        while True:
            if self._ready():
                while self._waiting:
                    self._book(self._waiting.popleft())
            await next_turn(_TURN_S)

    async def _listen_for_ever(self) -> None:
        while True:
            self._changed.clear()
            listening = asyncio.ensure_future(self._listen())
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait((listening, changed), return_when=asyncio.FIRST_COMPLETED)
                if listening.done():
                    listening.result()
            except (SinkUnavailable, aiomqtt.MqttError) as error:
                self._tell("", f"outputs are not heard: {error}")
                await asyncio.sleep(_PAUSE_S)
            finally:
                listening.cancel()
                changed.cancel()
                await asyncio.gather(listening, changed, return_exceptions=True)

    async def _listen(self) -> None:
        """Hear all topics on one connection, until it is lost."""
        if self._mqtt is None or not self._sections:
            await asyncio.Event().wait()
            return
        broker = MqttSink(self._mqtt, site=self._config.site.name, board=self._board, folder=self._config.path.parent)
        connection = self._connection(self._mqtt, broker)
        try:
            await broker.connect(connection)
            for topic in {str(section.topic): None for section in self._sections}:
                await connection.subscribe(topic, qos=2)
            self._told.pop("", None)
            _log.info("outputs are heard from %s", self._mqtt.place)
            await together(lambda: self._hear(connection), connection.until_lost)
        finally:
            connection.abandon()

    def _connection(self, mqtt: MqttConfig, broker: MqttSink) -> Connection:
        five = mqtt.version == "5"
        remembered: dict[str, object] = {"clean_session": False}
        if five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho types it in part
            properties.SessionExpiryInterval = _SESSION_S
            remembered = {"clean_start": False, "properties": properties}
        return Connection(
            mqtt.host,
            mqtt.port,
            username=mqtt.username,
            password=broker.secret(mqtt.password_file),
            identifier=f"{mqtt.client_id or f'energy-agent-{self._config.site.name}'}-outputs",
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            **remembered,
            timeout=_PAUSE_S,
            keepalive=KEEPALIVE_S,
            tls_context=broker.tls() if mqtt.tls else None,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KEEPALIVE_S * 1000)],
        )

    async def _hear(self, connection: Connection) -> None:
        async for message in connection.messages:
            payload = message.payload
            if isinstance(payload, bytes):
                self.hear(str(message.topic), payload, retained=bool(message.retain))

    def hear(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Take a message for every output it tells of."""
        for section in self._sections:
            if section.topic != topic or (retained and section.counts == "increment"):
                continue
            try:
                value, time_ns = parse(section, payload)
            except ValueError as error:
                self._tell(section.name, f"a message on {topic} says nothing of output '{section.name}': {error}")
                continue
            self._told.pop(section.name, None)
            self._waiting.append(_Heard(section.name, value, time.monotonic_ns(), time_ns))

    def _book(self, heard: _Heard) -> None:
        book = self._ledger.books.get(heard.output)
        if book is None or book.account.feed not in {"total", "increment"}:
            return
        doubt = "" if self._keeper.vouched else Quality.CLOCK_UNSYNCED.label
        now_ns = self._keeper.at(heard.monotonic_ns) // 1000 * 1000
        reading = Reading(now_ns, heard.monotonic_ns, heard.value, boot=self._boot, doubt=doubt)
        if heard.time_ns is not None:
            if heard.time_ns > now_ns + _AHEAD_NS:
                self._tell(heard.output, f"a message of output '{heard.output}' is of a time to come; it is left out")
                return
            # By its own clock alone: how long it was on the way says nothing about what it counts.
            reading = Reading(heard.time_ns, 0, heard.value)
        self._tape.note(Received(heard.output, reading.state()))
        self._ledger.receive(heard.output, reading)

    def _tell(self, name: str, text: str) -> None:
        """Log a text once, until something else is to be said or it is over."""
        if self._told.get(name) != text:
            self._told[name] = text
            _log.warning("%s", text)
