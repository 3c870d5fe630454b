"""One MQTT connection whose every acknowledgement is looked at."""

import asyncio
import time
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.sinks import SinkUnavailable

ANSWER_S = 20.0
"""Longest wait for the acknowledgement of one message."""
WINDOW = 100
"""Messages under way at once; fewer when the broker says so."""


class Connection(aiomqtt.Client):
    """One connection, used once, that hands every PUBACK's reason code to whoever published.

    aiomqtt's own `publish` returns normally whatever the broker's answer says, and a client object that reconnects
    sends again what raised before; hence the answers are taken here, and a new object is made for each connection.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._answers: dict[int, tuple[asyncio.Future[int], float]] = {}
        self._room = asyncio.Semaphore(WINDOW)
        self._largest = 0
        self._properties_out = None
        if options["protocol"] == aiomqtt.ProtocolVersion.V5:
            self._properties_out = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types it in part
            self._properties_out.ContentType = "application/json"

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection has ended."""
        return self._disconnected

    def fits(self, payload: bytes) -> bool:
        """Whether the broker takes a message of this size."""
        overhead = 300  # topic, properties and header at their longest
        return not self._largest or len(payload) + overhead <= self._largest

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> asyncio.Future[int]:  # type: ignore[override]  # on purpose: see the class
        """Send a message when there is room in the window; return the future of its reason code."""
        await self._room.acquire()
        sent = self._client.publish(topic, payload, 1, retain, self._properties_out)
        if sent.rc:
            raise SinkUnavailable("the connection to the broker is lost")
        answer: asyncio.Future[int] = self._loop.create_future()
        self._answers[sent.mid] = (answer, time.monotonic())
        return answer

    async def until_lost(self) -> None:
        """Wait for the end of the connection; raise SinkUnavailable then."""
        await asyncio.wait((self.lost,))
        cause = self.lost.exception()
        code = cause.rc if isinstance(cause, aiomqtt.MqttCodeError) else None
        why = f" ({str(code).lower()})" if isinstance(code, ReasonCode) and code.is_failure else ""
        raise SinkUnavailable(f"the broker has closed the connection{why}") from cause

    async def until_silent(self) -> None:
        """Wait until a message stays without answer for too long; raise SinkUnavailable then."""
        while True:
            await asyncio.sleep(1)
            oldest = next(iter(self._answers.values()), None)
            if oldest and time.monotonic() - oldest[1] > ANSWER_S:
                raise SinkUnavailable("the broker does not acknowledge")

    def abandon(self) -> None:
        """Close the socket, whatever state the connection is in."""
        self._client._sock_close()  # noqa: SLF001  # paho closes a socket only after a farewell the peer may never answer
        if self.lost.done():
            self.lost.exception()  # seen: nobody else may be left to look

    def let_go(self, entering: asyncio.Future[Any]) -> None:
        """Close what a cancelled attempt to connect has opened."""
        if not entering.cancelled():
            entering.exception()
        self.abandon()

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        window = getattr(properties, "ReceiveMaximum", WINDOW)
        self._room = asyncio.Semaphore(min(window, WINDOW))
        self._largest = getattr(properties, "MaximumPacketSize", 0)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        self._room.release()
        if mid in self._answers:
            answer, _ = self._answers.pop(mid)
            if not answer.done():
                answer.set_result(reason_code.value)
        super()._on_publish(client, userdata, mid, reason_code, properties)
