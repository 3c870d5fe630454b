"""The first request of a poll, made ready before its time, so that on the beat it has only to be sent.

A thousand lines are due at one moment: what each does between that and its request makes all behind it late.
"""

import logging
from functools import partial

from agent.polling.asking import Asker
from agent.polling.beat import Begin
from agent.polling.polled import Cadence
from agent.polling.schedule import STEP_S
from drivers.line import Line, Read
from drivers.wire import Pending

_log = logging.getLogger(__name__)


class Beginning:
    """Begins the polls of one line."""

    def __init__(self, line: Line, asker: Asker) -> None:
        self._line = line
        self._asker = asker
        self._late_s = 0.0

    @property
    def begun(self) -> bool:
        """Whether a poll was begun and is to be gone on with."""
        return self._line.begun_at is not None

    def late_s(self, cadence: Cadence) -> float:
        """Return how late a poll begins that is due [s], or was begun."""
        return -cadence.left_s() if self._line.begun_at is None else self._late_s

    def of(self, cadence: Cadence) -> Begin | None:
        """Return what begins the next poll when it is due; None where that takes more than a request."""
        prepared = self._asker.prepared(cadence)
        return None if prepared is None else partial(self._begin, cadence, prepared)

    def _begin(self, cadence: Cadence, prepared: Read, pending: Pending) -> bool:
        """Send the first request of a poll if it is its time, and the line is free; return whether it was sent."""
        late_s = -cadence.left_s()
        try:
            # Sooner or much later than due, the wall clock was set: that is looked at first.
            begun = 0 <= late_s < STEP_S and self._line.begin(prepared, pending)
        except Exception:  # noqa: BLE001 -- a bug that one device meets must not cost all that are woken behind it a poll
            _log.exception("device %s: its poll could not be begun", cadence.device.name)
            return False
        if begun:
            self._late_s = late_s
        return begun
