"""What is published on one connection: records in order, retained messages as they change."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence

import aiomqtt
import orjson

from agent.board import Board
from agent.record import ALARM, Record
from agent.sinks import SinkRejected, SinkUnavailable, together
from agent.sinks.mqtt.connection import ANSWER_S, Connection
from agent.sinks.mqtt.reasons import FAILURE, TOO_LARGE, UNSPECIFIED, judge

_LOG = logging.getLogger(__name__)
_GOODBYE_S = 2.0
_PATIENCE = 5
"""So often a message is offered that the broker refuses without saying why."""


class MqttSession:
    """One connection to a broker."""

    def __init__(self, connection: "Connection", base: str, board: Board, doubted: Counter[int]) -> None:
        self._connection = connection
        self._base = base
        self._board = board
        self._doubted = doubted
        self._posted = 0
        self._batch: list[tuple[int, asyncio.Future[int]]] = []

    @property
    def accepted_through(self) -> int:
        """Last `seq` of the batch before the first that was not acknowledged with success."""
        seq = 0
        for number, answer in self._batch:
            if not answer.done() or answer.cancelled() or answer.result() >= FAILURE:
                break
            seq = number
        return seq

    async def send(self, records: Sequence[Record]) -> None:
        """Publish in order, with a window of messages under way; return when all are acknowledged."""
        self._batch = []
        rejected: dict[int, str] = {}
        for record in records:
            self._batch.append((record.seq, await self._publish(self._topic(record), record.payload, retain=False)))
        codes = [(seq, await answer) for seq, answer in self._batch]
        for seq, code in codes:
            refused = self._given_up(seq, code, codes) or judge(code)
            if refused:
                rejected[seq] = refused
        self._doubted.clear()
        if rejected:
            raise SinkRejected(rejected)

    @property
    def on_room(self) -> Callable[[], None]:
        """What is called when the window has room again."""
        return self._connection.on_room

    @on_room.setter
    def on_room(self, call: Callable[[], None]) -> None:
        self._connection.on_room = call

    def offer(self, record: Record) -> asyncio.Future[int] | None:
        """Send a record if the window has room for it; return the future of its reason code, None where it has not."""
        topic = self._topic(record)
        if self._connection.fits(topic, record.payload):
            return self._connection.offer(topic, record.payload)
        return _too_large()

    def took(self, answer: int) -> bool:
        """Whether a reason code says that the broker has the message."""
        return answer < FAILURE

    async def _publish(self, topic: str, payload: bytes, *, retain: bool) -> asyncio.Future[int]:
        """Send a message when there is room in the window; return the future of its reason code."""
        if self._connection.fits(topic, payload):
            return await self._connection.publish(topic, payload, retain=retain)
        return _too_large()

    def _given_up(self, seq: int, code: int, codes: Sequence[tuple[int, int]]) -> str:
        """Return why a message is given up that the broker alone of several refuses each time, without saying why."""
        if code not in UNSPECIFIED:
            return ""
        self._doubted[seq] += 1
        if self._doubted[seq] < _PATIENCE or not any(other < FAILURE for _, other in codes):
            return ""
        return f"refused {self._doubted[seq]} times, for {UNSPECIFIED[code]}, while others were taken"

    async def watch(self) -> None:
        """Publish what changes on the board; raise SinkUnavailable when the connection is lost or silent."""
        await together(self._follow_board, self._connection.until_lost, self._connection.until_silent)

    async def publish_board(self) -> None:
        """Publish the retained messages not yet published on this connection."""
        posted, messages = self._board.since(self._posted)
        try:
            async with asyncio.timeout(ANSWER_S):
                answers = [
                    (topic, not payload, await self._publish(f"{self._base}/{topic}", payload, retain=True))
                    for topic, payload in messages
                ]
                for topic, removed, answer in answers:
                    refused = judge(await answer)
                    if refused:
                        _LOG.error("mqtt: retained message %s refused: %s", topic, refused)
                    elif removed:
                        self._board.removed(topic)
        except TimeoutError as error:
            raise SinkUnavailable("the broker does not acknowledge") from error
        self._posted = posted

    async def say_goodbye(self) -> None:
        """Publish what is left on the board and disconnect, if that can be done quickly."""
        with contextlib.suppress(SinkUnavailable, aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self.publish_board()
                await self._connection.__aexit__(None, None, None)

    async def _follow_board(self) -> None:
        while True:
            await self._board.changes(self._posted)
            await self.publish_board()

    def _topic(self, record: Record) -> str:
        if record.kind == ALARM:
            return f"{self._base}/{record.key}/alarm/{orjson.loads(record.payload)['alarm']}"
        return f"{self._base}/{record.key}/{record.kind}"


def _too_large() -> asyncio.Future[int]:
    """Return the answer to a message that, sent nevertheless, would end the connection, again and again."""
    refused: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    refused.set_result(TOO_LARGE)
    return refused
