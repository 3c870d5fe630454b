"""RTU replies that came for a request before: late ones, or second ones of a device that answers twice. Pure.

Replies carry no number. A second reply to one request that lands behind the next request of the same shape
looks like the answer to it; the real answer then comes for the request after that, and so on. What gives such a
reply away is that the real one is still to come. So a reply that may be a second one is believed only when none
follows it in the time the unit usually takes. One behind a failed read of the same shape, whose own reply may come
even after the silence, is believed when it takes no longer than usual and none follows for a time-out: a unit or a
machine that has just stood still may take so long for the next one, or lose it. Listening costs time, so it is done
only where such a reply is likely, and now and then in a long row of reads of one shape without a rest, in which a
shift would not show.
"""

from collections import deque

from drivers.guard import Asked

_REMEMBERED = 32
"""Answers from which the usual time is taken: more than a shift can last, which makes answers early."""
_LUMP_S = 0.02
"""Adapters and converters collect bytes for so long."""
_SLACK = 2.0
_EARLY = 0.9
_OVERTAKEN = 3
"""A second reply may come behind so many requests."""
_LONGEST_ROW = 16
"""Reads of one shape without a rest, at most, that a shift can last."""

_Shape = tuple[int, int, int]
_NONE: frozenset[_Shape] = frozenset()
"""Shared: Python makes a new one, of 216 bytes, each time."""


class Repeats:
    """The last replies of a line and the usual answer times of its units; told of every reply in its order."""

    __slots__ = ("_answers", "_ended_s", "_failed", "_frames", "_row", "_shape")

    def __init__(self) -> None:
        self._frames: tuple[bytes, ...] = ()
        self._shape: _Shape | None = None
        self._ended_s = 0.0
        self._row = 0
        self._answers: dict[_Shape, deque[float]] = {}
        self._failed = _NONE

    def failed(self, asked: Asked) -> None:
        """Note a request whose reply did not come or was not accepted: it may still come, however late."""
        self._failed |= {_shape(asked)}

    def forget(self) -> None:
        """Start anew, behind a silence in which a second reply would have come."""
        self._frames, self._shape, self._row = (), None, 0

    def listen_s(self, asked: Asked, frame: bytes, sent_s: float, received_s: float, timeout_s: float) -> float | None:
        """Return for how long after its reply [s] to listen for another one before it is believed.

        `frame` answers a request that was sent at one time and answered at another [s, monotonic]; 0 when there
        is no reason to wait, None when it is not to be believed. A time-out [s] is enough behind any.
        """
        shape = _shape(asked)
        answers = self._answers.setdefault(shape, deque(maxlen=_REMEMBERED))
        answer_s = received_s - sent_s
        longest_s = max(answers, default=0.0)
        usual_s = _SLACK * longest_s + _LUMP_S
        if sent_s - self._ended_s >= usual_s:
            self.forget()  # a reply on its way would have come in this rest, and been noticed
        self._row = self._row + 1 if shape == self._shape else 0
        early = self._row and answer_s < _EARLY * min(answers)
        failed = shape in self._failed
        late = failed and bool(answers) and answer_s > usual_s
        doubted = early or frame in self._frames or self._row >= _LONGEST_ROW or failed
        self._frames = (*self._frames, frame)[-_OVERTAKEN:]
        self._shape, self._ended_s = shape, received_s
        answers.append(answer_s)
        if not doubted:
            return 0.0
        self._row = 0
        if late:
            return None  # once: from now on so long is usual
        self._failed -= {shape}
        # A unit that was late with the reply to another request has only now begun with this one.
        return timeout_s if failed else min(max(usual_s - answer_s, longest_s + _LUMP_S), timeout_s)


def _shape(asked: Asked) -> _Shape:
    return asked.unit, asked.function, asked.data_bytes
