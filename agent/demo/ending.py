"""How the demo is asked to end: by Ctrl-C, by SIGTERM, or by closing its terminal."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Takes the signals from the first moment to the last, so that none leaves an agent or a folder behind."""

    def __init__(self) -> None:
        self.asked = False
        """Whether the demo was asked to end."""
        self._stop = asyncio.Event()
        for signum in _SIGNALS:
            signal.signal(signum, self._early)

    def _early(self, *_: object) -> None:
        self.asked = True

    @contextlib.contextmanager
    def setting(self) -> Iterator[asyncio.Event]:
        """Give the event that a signal sets while a loop runs; signals after that change nothing."""
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self._ask)
        if self.asked:
            self._stop.set()
        try:
            yield self._stop
        finally:
            for signum in _SIGNALS:
                loop.remove_signal_handler(signum)
                signal.signal(signum, signal.SIG_IGN)

    def _ask(self) -> None:
        self.asked = True
        self._stop.set()
