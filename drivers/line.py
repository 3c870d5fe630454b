"""One Modbus line: guarded, paced reads, one after the other.

Invariants:

1. Only functions 1, 2, 3, 4 and 43/14 are sent, never to unit 0 (the broadcast).
2. At most one request is outstanding. One task reads a line; a second one is an error, not a queue.
3. A reply is accepted only if `drivers.guard` finds that it fits the request, on the bytes of the wire.
4. Whatever else ends a read (time-out, wrong or broken reply, cancellation) leaves the line in doubt. So does a
   frame that nobody asked for. In doubt a network connection is closed and made anew, and with RTU frames the
   line stays silent for its time-out and drops what arrives, before the next request goes out. A port or
   connection with RTU frames that was just opened is in the same doubt: a process before this one may have asked.
   Over Modbus/TCP and TLS mere silence is no doubt: a late reply is known by its number and dropped. A connection
   that stays silent again and again is made anew all the same, for the other end may have forgotten it.
5. What came before a request went out never answers it, not even if it was still in the system's buffer. A request
   goes out at once or not at all, and what is due is counted from then on, however long this process stood still.
6. Pause and silence are kept by the monotonic clock. A reply is stamped when its last byte was taken.
7. A peer that babbles costs neither memory nor time: a connection that brings much unasked is closed.
8. Transaction numbers are drawn at random: what a confused device counts up or down to is not the next request's.
9. An RTU reply that `drivers.repeats` takes for a possible answer to a request before (the same bytes as lately;
   sooner than ever; one of a long row of reads of one shape without a rest) is accepted only if no other follows
   within twice the time the unit has taken of late; the first of the shape of a read that failed only if it comes
   within that time, and no other in a time-out behind it. Where this process stands still meanwhile, it listens anew.

What this cannot exclude: RTU replies carry no number and no address.
- A reply later than the time-out *and* the silence after it, just when the one to a request of the same unit,
  function and length is due, if that one never comes, or more than a time-out behind it. So a device should answer
  within twice the line's time-out: set that to more than half of the longest delay ever seen.
- A second reply to one request with *other* data, just when the reply to the next one of the same shape is due. The
  read gets it; those behind it get the reply of the one before until one is sooner than ever, the line rests for as
  long as a reply takes, or another shape is read: 16 reads at most.
Over Modbus/TCP and TLS the transaction number excludes both, as far as a gateway ties the replies of its own serial
side to the right request: a gateway's time-out should be longer than its devices' longest delay.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from drivers.endpoint import Endpoint
from drivers.errors import BadReply, LineDown, LineError, NoReply, Refused
from drivers.expiry import expiry_after
from drivers.guard import SHORTEST_RTU_FRAME, Asked, Verdict, check_request, check_unit, unfinished
from drivers.hint import LineEvidence, PortErrors, evidence
from drivers.identifying import identified
from drivers.linestats import LineStats
from drivers.listening import STALL_S, another_comes
from drivers.pause import sleep_until
from drivers.reading import Block, Exchange, Outcome
from drivers.recent import Recent
from drivers.remedy import for_silence, place
from drivers.repeats import Repeats
from drivers.transaction import Transactions
from drivers.wire import Wire, connect

_CONNECT_S = 3.0
"""Least time for a connection: a TLS handshake takes small devices seconds, and nobody else waits for it."""
_NS = 1e9
_LULL_S = 0.05
"""Silence that ends a late reply still trickling in; adapters hand on bytes in lumps up to 20 ms apart."""
_ROUNDS = 10
_RTU_OVERHEAD = 5
_ANSWERS = (Outcome.OK, Outcome.EXCEPTION)
_LATE = "the reply that came may be the one missed before: if this goes on, raise the line's timeout"
_TWICE = "two replies came: look for a device or converter that repeats"
_SILENCES = 3
"""Requests in a row without a byte in return after which a Modbus/TCP connection may be dead."""


class Line:
    """One connection to the devices behind an endpoint, opened when needed and again after a failure."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        timeout_s: float,
        pause_s: float,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        """Wait `timeout_s` [s] for a reply and `pause_s` [s] between requests; connect later, at the first read."""
        self.name = name
        self.endpoint = endpoint
        self.stats = LineStats()
        self._serial = endpoint.serial
        self.timeout_s = timeout_s
        self._pause_s = max(pause_s, endpoint.gap_seconds)
        self._on_exchange = on_exchange
        self._wire: Wire | None = None
        self._left: Wire | None = None
        self._opened = False
        self._reading = False
        self._free_at = 0.0
        self._silent_until = 0.0
        self._recent = Recent()
        self._transactions = Transactions()
        self._transaction = 0
        self._repeats = Repeats()

    def read(self, unit: int, block: Block, *, poll: int = 0, attempt: int = 1) -> Coroutine[Any, Any, Exchange]:
        """Read one block of one unit; `poll` and `attempt` go into the exchange.

        Raises ValueError at once for a request that must not be sent; awaited, LineDown, NoReply, BadReply or Refused,
        each with its `exchange` if the request went out.
        """
        check_request(unit, block, serial=self._serial)
        return self._turn(unit, block, poll, attempt)

    async def identification(self, unit: int) -> dict[int, str]:
        """Ask a unit who it is; return the text of each object that it gives, see `drivers.identifying`.

        Raises as `read` does: Refused by the many devices that do not know the function.
        """
        check_unit(unit, serial=self._serial)
        return await identified(lambda block: self._turn(unit, block))

    async def _turn(self, unit: int, block: Block, poll: int = 0, attempt: int = 1) -> Exchange:
        """Send one request and wait for its verdict; return the exchange, or raise why it failed."""
        if self._reading:
            raise RuntimeError(f"line {self.name} is being read: one task reads a line")
        self._reading = True
        began_ns = time.monotonic_ns()
        try:
            wire = self._wire
            if wire is None or not self._quiet(wire, began_ns):
                wire = await self._ready()
            sent_ns = time.monotonic_ns()
            asked, pending, due = self._ask(wire, unit, block)
            verdict = None
            try:
                found = await pending
                if found is None or self._serial:
                    found = await self._looked_at(wire, asked, found, sent_ns / _NS)
                verdict = found
            finally:
                self._settle(wire, asked, verdict, due)
        finally:
            self._reading = False
            self.stats.busy_ns += time.monotonic_ns() - began_ns
        exchange = Exchange(
            self.name,
            unit,
            block,
            asked.request,
            verdict.frame,
            verdict.data,
            sent_ns,
            wire.received_ns,
            wire.time_ns,
            verdict.outcome,
            verdict.exception,
            poll,
            attempt,
        )
        self._note(exchange)
        if verdict.outcome is Outcome.OK:
            return exchange
        raise self._failure(exchange, verdict.reason)

    def _note(self, exchange: Exchange) -> None:
        self.stats.count(exchange.outcome)
        self._recent.add(exchange)
        if self._on_exchange is not None:
            self._on_exchange(exchange)

    @property
    def evidence(self) -> LineEvidence:
        """What the last exchanges were like: `drivers.hint.likely_cause` says what may be wrong."""
        port = self._wire.port_errors if self._wire is not None else PortErrors()
        return evidence(self.endpoint.scheme, self._recent, port)

    @property
    def free_at(self) -> float:
        """Monotonic time [s] before which no request goes out: pause and silence are over then."""
        return max(self._free_at, self._silent_until)

    @property
    def silence_s(self) -> float:
        """What a request that stays without an answer takes of the line's time [s], with the silence after it."""
        return 2 * self.timeout_s if self._serial else self.timeout_s

    async def close(self) -> None:
        """Close the connection; a read that waits gets LineDown, a later one opens it again."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.abort()
            await asyncio.wait({wire.gone}, timeout=1)

    def _quiet(self, wire: Wire, now_ns: int) -> bool:
        """Whether a request may go out at once: nothing has come unasked, and pause and silence are over."""
        free = now_ns >= self.free_at * _NS
        return free and not (wire.unasked or wire.lost or wire.waiting)

    async def _ready(self) -> Wire:
        """Return a connection that has been silent for as long as it must; raise LineDown or BadReply."""
        for _ in range(_ROUNDS):
            wire = self._wire
            if wire is None or wire.lost:
                wire = await self._open()
            self._drop_unasked(wire)
            if self._wire is None:
                continue
            if time.monotonic() < self.free_at:
                await self._wait(self.free_at)
            elif wire.waiting:
                await asyncio.sleep(0)  # the loop has yet to hand on what came: it is no answer to what follows
            else:
                return wire
        self.stats.bad_replies += 1
        raise BadReply(f"{self.name}: bytes come unasked all the time: look for a second master or a babbling device")

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
        self._wire = self._left = None
        if self._opened:
            self.stats.reconnects += 1
        wire = self._wire = await connect(self.endpoint, max(self.timeout_s, _CONNECT_S))
        self._opened = True
        self._keep_silent(time.monotonic())
        return wire

    def _drop_unasked(self, wire: Wire) -> None:
        """Judge what came while nothing was asked: expected during a silence, else noise or a reason for doubt."""
        if not wire.unasked:
            return
        count, at = wire.unasked, wire.unasked_at
        wire.unasked = 0
        self.stats.bytes_received += count
        if self._serial and at <= self._silent_until:
            self._silent_until = max(self._silent_until, at + _LULL_S)
        elif count >= SHORTEST_RTU_FRAME or not self._serial:
            self._distrust(at)

    def _distrust(self, since: float) -> None:
        """Make sure that nothing sent before now can answer the next request."""
        self._keep_silent(since)
        if not self.endpoint.device and self._wire is not None:
            self._wire.abort()
            self._left, self._wire = self._wire, None

    def _give_up(self, wire: Wire, transaction: int, since: float) -> None:
        """Make sure that the reply to the last request, should it still come, answers no other."""
        if not self._serial and not wire.received:
            wire.give_up(transaction)
            if wire.silences < _SILENCES:
                return
        self._distrust(since)

    def _keep_silent(self, since: float) -> None:
        if self._serial:
            self._repeats.forget()
            self._silent_until = max(self._silent_until, since + self.timeout_s)

    def _ask(self, wire: Wire, unit: int, block: Block) -> tuple[Asked, asyncio.Future[Verdict | None], float]:
        """Send one request; return it, the future of its verdict, and by which monotonic time [s] that must come."""
        self._transaction = self._transactions.draw()
        asked, pending = wire.ask(unit, block, self._transaction)
        self.stats.requests += 1
        self.stats.bytes_sent += len(asked.request)
        transfer_s = self.endpoint.transfer_seconds(len(asked.request), asked.data_bytes + _RTU_OVERHEAD)
        timeout_s = self.timeout_s + transfer_s
        expiry = wire.expiry
        if expiry is None or expiry.after_s != timeout_s:
            expiry = wire.expiry = expiry_after(wire.loop, timeout_s)
        return asked, pending, expiry.begin(wire)

    def _settle(self, wire: Wire, asked: Asked, verdict: Verdict | None, due: float) -> None:
        """End the wait for a reply, which was due by a monotonic time [s]; without one the line is in doubt."""
        if wire.expiry is not None:
            wire.expiry.cancel(wire)
        self.stats.bytes_received += len(wire.received) + wire.late
        wire.late = 0
        if verdict is not None and verdict.outcome in _ANSWERS:
            self._free_at = wire.received_ns / _NS + self._pause_s
            return
        now = time.monotonic()
        self._free_at = now + self._pause_s
        self._repeats.failed(asked)
        # However soon it failed, the device's reply may come as late as after a time-out.
        self._give_up(wire, self._transaction, max(now, due))

    async def _looked_at(self, wire: Wire, asked: Asked, verdict: Verdict | None, sent_s: float) -> Verdict:
        """Return what is to be made of a reply that did not come in time, or that came on a line with RTU frames."""
        if verdict is None:
            wire.stamp()
            if wire.received:
                return Verdict(Outcome.BAD_REPLY, wire.received, reason=unfinished(asked, wire.received))
            reason = f"no reply within {self.timeout_s:g} s: {for_silence(self.endpoint)}"
            return Verdict(Outcome.NO_REPLY, b"", reason=reason)
        return await self._only(wire, asked, verdict, sent_s) if verdict.outcome in _ANSWERS else verdict

    async def _only(self, wire: Wire, asked: Asked, verdict: Verdict, sent_s: float) -> Verdict:
        """Return the verdict on an RTU reply; where it may answer the request before, once no other follows."""
        listen_s = self._repeats.listen_s(asked, verdict.frame, sent_s, wire.received_ns / _NS, self.timeout_s)
        if listen_s is None:
            return Verdict(Outcome.BAD_REPLY, verdict.frame, reason=_LATE)
        if not listen_s or not await another_comes(wire, listen_s):
            return verdict
        if wire.lost:
            return Verdict(Outcome.LINE_DOWN, verdict.frame, reason=f"{place(self.endpoint)}: closed within a reply")
        return Verdict(Outcome.BAD_REPLY, verdict.frame, reason=_TWICE)

    def _failure(self, exchange: Exchange, reason: str) -> LineError:
        """Return the error for an exchange without an accepted reply."""
        if exchange.outcome is Outcome.EXCEPTION:
            return Refused(exchange.exception, exchange)
        if exchange.outcome is Outcome.LINE_DOWN:
            return LineDown(reason, exchange)
        kind = NoReply if exchange.outcome is Outcome.NO_REPLY else BadReply
        return kind(f"{self.name}: unit {exchange.unit}: {reason}", exchange)
