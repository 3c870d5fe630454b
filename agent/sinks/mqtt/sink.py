"""The broker of a configuration: credentials, certificates, last will, and opening a session."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.board import Board
from agent.record import Record
from agent.sections.mqtt import MqttConfig
from agent.sinks import SinkUnavailable, file_marks
from agent.sinks.mqtt.connection import Connection, TlsSocket
from agent.sinks.mqtt.reasons import cause_of, explain, refusal
from agent.sinks.mqtt.rivals import Rivals
from agent.sinks.mqtt.session import MqttSession
from drivers.regular_file import expect_regular, read_regular

KEEPALIVE_S = 20
"""A link that carries nothing any more is noticed within this time."""
WILL_DELAY_S = 10
"""How long the broker waits for us to come back before it tells everybody that we are gone (MQTT 5)."""
_CONNECT_S = 5.0


def _remembered() -> dict[str, Any]:
    """Return options with which the broker knows us again, and holds the last will back while it waits for us."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho types it in part
    # The will is sent when the session ends, at the latest; we subscribe to nothing, so there is nothing else in it.
    properties.SessionExpiryInterval = 2 * WILL_DELAY_S
    return {"clean_start": False, "properties": properties}


class MqttSink:
    """The broker of a configuration; paths in it are relative to `folder`."""

    name = "mqtt"

    def __init__(self, config: MqttConfig, *, site: str, board: Board, folder: Path) -> None:
        self._config = config
        self._site = site
        self._board = board
        self._folder = folder
        self._base = f"{config.root}/{site}"
        self._doubted: Counter[int] = Counter()
        self._rivals = Rivals(config.client_id or f"energy-agent-{site}")

    def wants(self, record: Record) -> bool:  # noqa: ARG002  # a subscriber may see all classes
        """Return True: every class of record has its topic."""
        return True

    def credentials(self) -> object:
        """Return something that changes when a file does that is read on connecting."""
        config = self._config
        return file_marks(self._folder, config.password_file, config.ca_file, config.cert_file, config.key_file)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[MqttSession]:
        """Connect, and publish what is retained; raise SinkUnavailable with one clear reason when that fails."""
        connection = self._connection()
        try:
            await self.connect(connection)
            connected_s = time.monotonic()
            session = MqttSession(connection, self._base, self._board, self._doubted)
            try:
                await connection.unless_lost(session.publish_board())
                yield session
            except asyncio.CancelledError:
                await session.say_goodbye()
                raise
            except SinkUnavailable:
                now_s = time.monotonic()
                self._rivals.look(connection.ended_with, lived_s=now_s - connected_s, now_s=now_s)
                raise
            await session.say_goodbye()
        finally:
            connection.abandon()

    def _connection(self) -> "Connection":
        config = self._config
        five = config.version == "5"
        return Connection(
            config.host,
            config.port,
            username=config.username,
            password=self.secret(config.password_file),
            identifier=self._rivals.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            **(_remembered() if five else {"clean_session": True}),
            will=self._will(five=five),
            timeout=_CONNECT_S,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=0,  # the window is ours; paho would queue beyond its own
            tls_context=self.tls() if config.tls else None,
            # What was sent over a link that died silently is given up by the kernel; a link without traffic, or one
            # that stalls behind a proxy, by a ping that stays without answer.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KEEPALIVE_S * 1000)],
        )

    def secret(self, file: str | None) -> str | None:
        """Return what stands in a file of the configuration; raise SinkUnavailable where it cannot be read."""
        if file is None:
            return None
        try:
            return read_regular(self._folder / file).decode().strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = f"password_file {file} cannot be read ({cause_of(error)}): check path and rights"
            raise SinkUnavailable(reason, hold=True) from error

    def _will(self, *, five: bool) -> aiomqtt.Will:
        """Return the last known status, with the agent gone."""
        status = orjson.loads(self._board.get("agent/status") or b"{}")
        payload = orjson.dumps({"schema": "energy-agent/status/1", "site": self._site, **status, "state": "offline"})
        properties = None
        if five:
            properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]  # paho types it in part
            properties.WillDelayInterval = WILL_DELAY_S
            properties.ContentType = "application/json"
        return aiomqtt.Will(f"{self._base}/agent/status", payload, qos=1, retain=True, properties=properties)

    def tls(self) -> ssl.SSLContext:
        """Return how connections are encrypted; raise SinkUnavailable where certificates cannot be used."""
        config = self._config
        file = "the system's authorities"
        try:
            file = f"ca_file {config.ca_file}" if config.ca_file else file
            authorities = self._folder / config.ca_file if config.ca_file else None
            expect_regular(authorities)
            context = ssl.create_default_context(cafile=authorities)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.sslsocket_class = TlsSocket
            if config.cert_file:
                file = f"cert_file {config.cert_file} with its key"
                key = self._folder / config.key_file if config.key_file else None
                expect_regular(self._folder / config.cert_file, key)
                context.load_cert_chain(self._folder / config.cert_file, key, password=self._no_pass_phrase)
        except OSError as error:  # ssl.SSLError is one
            reason = f"{file} cannot be used ({cause_of(error)}): check path, rights and content"
            raise SinkUnavailable(reason, hold=True) from error
        return context

    def _no_pass_phrase(self) -> str:
        """Refuse a key that asks for a pass phrase: left alone, OpenSSL would ask for it on the terminal."""
        file = f"key_file {self._config.key_file}" if self._config.key_file else f"the key in {self._config.cert_file}"
        reason = f"{file} is encrypted, and nobody is there to type its pass phrase: give one without"
        raise SinkUnavailable(reason, hold=True)

    async def connect(self, connection: "Connection") -> None:
        """Open a connection; raise SinkUnavailable with one clear reason when that fails."""
        entering = asyncio.ensure_future(connection.__aenter__())
        try:
            await asyncio.wait((entering, connection.lost), return_when=asyncio.FIRST_COMPLETED)
            if entering.done():
                entering.result()
                return
            raise SinkUnavailable(explain(connection.lost.exception(), self._config.place))
        except aiomqtt.MqttError as error:
            if connection.last_error:
                raise SinkUnavailable(explain(connection.last_error, self._config.place)) from error
            raise refusal(error, self._config.place) from error
        finally:
            if not entering.done():
                entering.cancel()
                connection.let_go()
