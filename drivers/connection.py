"""The connection of one line: opened when needed, and left alone for as long as it must be.

What `drivers.line` promises of pauses, silence and doubt is kept here.
"""

import asyncio
import time

from drivers.endpoint import Endpoint
from drivers.errors import BadReply
from drivers.guard import SHORTEST_RTU_FRAME, Asked
from drivers.linestats import LineStats
from drivers.listening import STALL_S
from drivers.pause import sleep_until
from drivers.repeats import Repeats
from drivers.wire import Wire, connect

_CONNECT_S = 3.0
"""Least time for a connection: a TLS handshake takes small devices seconds, and nobody else waits for it."""
_NS = 1e9
_LULL_S = 0.05
"""Silence that ends a late reply still trickling in; adapters hand on bytes in lumps up to 20 ms apart."""
_ROUNDS = 10
_SILENCES = 3
"""Requests in a row without a byte in return after which a Modbus/TCP connection may be dead."""


class Connection:
    """What stands between a line's requests and its endpoint."""

    def __init__(
        self, name: str, endpoint: Endpoint, *, timeout_s: float, pause_s: float, stats: LineStats, repeats: Repeats
    ) -> None:
        """Open nothing yet; `stats` counts what happens to it, `repeats` forgets at each silence."""
        self.wire: Wire | None = None
        """The connection in use; None before the first, and while it has to be made anew."""
        self._name = name
        self._endpoint = endpoint
        self._serial = endpoint.serial
        self._timeout_s = timeout_s
        self._pause_s = max(pause_s, endpoint.gap_seconds)
        self._stats = stats
        self._repeats = repeats
        self._left: Wire | None = None
        self._opened = False
        self._free_at = 0.0
        self._silent_until = 0.0

    @property
    def free_at(self) -> float:
        """Monotonic time [s] before which no request goes out: pause and silence are over then."""
        return max(self._free_at, self._silent_until)

    def at_once(self, now_ns: int) -> Wire | None:
        """Return the connection if a request may go out at this monotonic time: it is open, and free, and quiet."""
        wire = self.wire
        if wire is None or now_ns < self._free_at * _NS or now_ns < self._silent_until * _NS:
            return None
        return None if wire.unasked or wire.lost or wire.waiting else wire

    async def ready(self) -> Wire:
        """Return a connection that has been silent for as long as it must; raise LineDown or BadReply."""
        for _ in range(_ROUNDS):
            wire = self.wire
            if wire is None or wire.lost:
                wire = await self._open()
            self._drop_unasked(wire)
            if self.wire is None:
                continue
            if time.monotonic() < self.free_at:
                await self._wait(self.free_at)
            elif wire.waiting:
                await asyncio.sleep(0)  # the loop has yet to hand on what came: it is no answer to what follows
            else:
                return wire
        self._stats.bad_replies += 1
        raise BadReply(f"{self._name}: bytes come unasked all the time: look for a second master or a babbling device")

    def answered(self, at_s: float) -> None:
        """Note when [s, monotonic] an answer was taken: the pause begins."""
        self._free_at = at_s + self._pause_s

    def failed(self, wire: Wire, asked: Asked, due: float) -> None:
        """Note that a request stayed without an answer that can be taken; one might have come by a time [s, monotonic].

        Whatever may still come of it shall answer no other request.
        """
        now = time.monotonic()
        self._free_at = now + self._pause_s
        # However soon it failed, the device's reply may come as late as after a time-out.
        since = max(now, due)
        if not self._serial and not wire.received:
            wire.give_up(asked)
            if wire.silences < _SILENCES:
                return
        self._distrust(since)

    async def close(self) -> None:
        """Close the connection; a read that waits gets LineDown, a later one opens it again."""
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.abort()
            await asyncio.wait({wire.gone}, timeout=1)

    async def _wait(self, until: float) -> None:
        """Wait for the end [s, monotonic] of pause and silence; if all stood still then, what was due may yet come."""
        await sleep_until(until)
        now = time.monotonic()
        if until == self._silent_until and now > until + STALL_S:
            self._silent_until = now + _LULL_S
            await sleep_until(self._silent_until)

    async def _open(self) -> Wire:
        if self._left is not None:
            await asyncio.wait({self._left.gone}, timeout=1)  # a device may allow no second connection
        self.wire = self._left = None
        if self._opened:
            self._stats.reconnects += 1
        wire = self.wire = await connect(self._endpoint, max(self._timeout_s, _CONNECT_S))
        self._opened = True
        self._keep_silent(time.monotonic())
        return wire

    def _drop_unasked(self, wire: Wire) -> None:
        """Judge what came while nothing was asked: expected during a silence, else noise or a reason for doubt."""
        if not wire.unasked:
            return
        count, at = wire.unasked, wire.unasked_at
        wire.unasked = 0
        self._stats.bytes_received += count
        if self._serial and at <= self._silent_until:
            self._silent_until = max(self._silent_until, at + _LULL_S)
        elif count >= SHORTEST_RTU_FRAME or not self._serial:
            self._distrust(at)
        elif at <= self._silent_until + STALL_S:  # this process may have stood still: they came within the silence
            self._silent_until = at + _LULL_S

    def _distrust(self, since: float) -> None:
        """Make sure that nothing sent before now can answer the next request."""
        self._keep_silent(since)
        if not self._endpoint.device and self.wire is not None:
            self.wire.abort()
            self._left, self.wire = self.wire, None

    def _keep_silent(self, since: float) -> None:
        if self._serial:
            self._repeats.forget()
            self._silent_until = max(self._silent_until, since + self._timeout_s)
