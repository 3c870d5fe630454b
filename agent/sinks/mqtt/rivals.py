"""Another client with our identifier: a broker keeps one of two, so each ends the other's connection for ever.

Pure: it is told how each connection ended, and says when that is no accident any more.
"""

from collections import deque

from agent.sinks import SinkUnavailable
from agent.sinks.mqtt.reasons import TAKEN_OVER, UNSAID

_WITHIN_S = 300.0
_TAKEN = 3
"""So many sessions taken over within the time are no accident: a link that was cut takes over its own at most once."""
_SHORT = 5
"""So many connections in a row that end at once without a reason: MQTT 3.1.1 has none, some brokers give none."""
_SHORT_S = 1.5
_DOUBT_S = 10.0
"""Pause when a rival is only one of the explanations."""


class Rivals:
    """Whether somebody else uses `client_id`."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self._taken: deque[float] = deque(maxlen=_TAKEN)
        self._short = 0

    def look(self, code: int | None, *, lived_s: float, now_s: float) -> None:
        """Note a session that was given up after so long; raise SinkUnavailable when a rival must be behind it.

        `code` is the reason code with which the connection ended, None when it was not the broker that ended it.
        """
        remedy = f"uses the client id {self.client_id}: give each gateway its own [site] name or [mqtt] client_id"
        if code == TAKEN_OVER:
            self._taken.append(now_s)
            if len(self._taken) == _TAKEN and now_s - self._taken[0] < _WITHIN_S:
                raise SinkUnavailable(f"another client {remedy}", hold=True)
        self._short = self._short + 1 if code == UNSAID and lived_s < _SHORT_S else 0
        if self._short >= _SHORT:
            reason = f"the broker ends each connection at once; perhaps another client {remedy}"
            raise SinkUnavailable(reason, retry_after_s=_DOUBT_S, unsaid=True)
