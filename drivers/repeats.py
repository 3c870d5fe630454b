"""Replies that came for the request before: a device or converter that answers twice shifts what follows. Pure.

RTU replies carry no number. A second reply to one request that lands behind the next request of the same shape
looks like the answer to it; the real answer then comes for the request after that, and so on. What gives such a
reply away is that the real one is still to come. So a reply that may be a second one is believed only when none
follows it in the time the unit usually takes. Listening costs time, so it is done only where a second reply is
likely, and now and then in a long row of reads of one shape without a rest, in which a shift would not show.
"""

from collections import deque

from drivers.guard import Asked

_REMEMBERED = 32
"""Answers of a unit from which its usual time is taken: more than a shift can last, which makes answers early."""
_LUMP_S = 0.02
"""Adapters and converters collect bytes for so long."""
_SLACK = 2.0
_LONGEST_ROW = 16
"""Reads of one shape without a rest, at most, that a shift can last."""


class Repeats:
    """The last reply of a line and the usual answer times of its units; told of every reply in its order."""

    def __init__(self) -> None:
        self._frame = b""
        self._shape: tuple[int, int, int] | None = None
        self._ended_s = 0.0
        self._row = 0
        self._answers: dict[int, deque[float]] = {}

    def forget(self) -> None:
        """Start anew: behind a silence nothing can answer the next request but its own reply."""
        self._shape, self._frame, self._row = None, b"", 0

    def listen_s(self, asked: Asked, frame: bytes, sent_s: float, received_s: float) -> float:
        """Return for how long after its request [s] to listen for another reply before this one is believed.

        `frame` answers a request that was sent at one time and answered at another [s, monotonic]; 0 when there
        is no reason to wait.
        """
        shape = (asked.unit, asked.function, asked.data_bytes)
        answers = self._answers.setdefault(asked.unit, deque(maxlen=_REMEMBERED))
        answer_s = received_s - sent_s
        usual_s = _SLACK * max(answers, default=0.0) + _LUMP_S
        follows = shape == self._shape and sent_s - self._ended_s < usual_s
        self._row = self._row + 1 if follows else 0
        doubted = follows and (
            frame == self._frame or self._row >= _LONGEST_ROW or answer_s < min(answers, default=0.0) / _SLACK
        )
        self._shape, self._frame, self._ended_s = shape, frame, received_s
        answers.append(answer_s)
        if not doubted:
            return 0.0
        self._row = 0
        return usual_s
