"""A line that is read both ways: as polls are on the beat, and as all others."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from drivers.line import Line, Read
from drivers.pause import sleep_until
from drivers.reading import Block, Exchange
from drivers.wire import Pending

_PAUSE_S = 0.02


class BegunAtTimes(Line):
    """A line of which every other read is begun before it is awaited, as polls are on the beat."""

    _reads = 0

    def read(self, unit: int, block: Block, *, poll: int = 0, attempt: int = 1) -> Coroutine[Any, Any, Exchange]:
        if not self._reads:  # so that the failures of each suite are met both ways
            self._reads = int(self.endpoint.scheme in {"tls", "rtu+tcp"})
        self._reads += 1
        if self._reads % 2:
            return super().read(unit, block, poll=poll, attempt=attempt)
        return self._begun_read(self.prepared(unit, block, poll=poll, attempt=attempt))

    async def _begun_read(self, prepared: Read) -> Exchange:
        # Behind a pause, as a beat is; a silence is waited for by the line, which looks for what is late.
        if self.free_at - time.monotonic() < _PAUSE_S:
            await sleep_until(self.free_at)
        pending: Pending = asyncio.get_running_loop().create_future()
        if self.begin(prepared, pending):
            await pending
        return await super().read(prepared.unit, prepared.block, poll=prepared.poll, attempt=prepared.attempt)
