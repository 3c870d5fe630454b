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

import time
from collections.abc import Callable, Coroutine
from dataclasses import field
from typing import Any

from drivers.connection import Connection
from drivers.endpoint import Endpoint
from drivers.errors import BadReply, LineDown, LineError, NoReply, Refused
from drivers.expiry import expiry_after
from drivers.guard import Asked, Verdict, check_request, check_unit, unfinished
from drivers.hint import LineEvidence, PortErrors, evidence
from drivers.identifying import identified
from drivers.linestats import LineStats
from drivers.listening import another_comes
from drivers.reading import Block, Exchange, Outcome
from drivers.recent import Recent
from drivers.remedy import for_silence, place
from drivers.repeats import Repeats
from drivers.request import Requests
from drivers.value import mutable
from drivers.wire import Pending, Wire

_NS = 1e9
_RTU_OVERHEAD = 5
_OK = Outcome.OK
_ANSWERS = (_OK, Outcome.EXCEPTION)
_LATE = "the reply that came may be the one missed before: if this goes on, raise the line's timeout"
_TWICE = "two replies came: look for a device or converter that repeats"


@mutable(eq=False)
class Read:
    """One read: its request is made, then sent over a connection.

    `pending` gets the verdict on its reply; it went out at the monotonic time `sent_ns`, the reply is due by `due` [s].
    """

    unit: int
    block: Block
    poll: int
    attempt: int
    asked: Asked
    wire: Wire = field(init=False)
    pending: Pending = field(init=False)
    sent_ns: int = field(init=False)
    due: float = field(init=False)

    def serves(self, unit: int, block: Block, poll: int, attempt: int) -> bool:
        """Whether this is what is to be read, and nobody has ceased to wait for it."""
        same = unit == self.unit and poll == self.poll and attempt == self.attempt and block == self.block
        return same and not self.pending.cancelled()


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
        self._on_exchange = on_exchange
        self._reading = False
        self._begun: Read | None = None
        self.begun_at: float | None = None
        """Monotonic time [s] at which the read was begun that is to be awaited, None when none was."""
        self._recent = Recent()
        self._requests = Requests(serial=endpoint.serial)
        self._repeats = Repeats()
        self._connection = Connection(
            name, endpoint, timeout_s=timeout_s, pause_s=pause_s, stats=self.stats, repeats=self._repeats
        )

    def read(self, unit: int, block: Block, *, poll: int = 0, attempt: int = 1) -> Coroutine[Any, Any, Exchange]:
        """Read one block of one unit; `poll` and `attempt` go into the exchange. One that was begun is gone on with.

        Raises ValueError at once for a request that must not be sent; awaited, LineDown, NoReply, BadReply or Refused,
        each with its `exchange` if the request went out.
        """
        begun = self._taken_up(unit, block, poll, attempt)
        return self._turn(begun or self.prepared(unit, block, poll=poll, attempt=attempt))

    def prepared(self, unit: int, block: Block, *, poll: int = 0, attempt: int = 1) -> Read:
        """Return a read whose request has only to be sent, once; raise ValueError for one that must not be sent."""
        check_request(unit, block, serial=self._serial)
        return self._made(unit, block, poll, attempt)

    def begin(self, read: Read, pending: Pending) -> bool:
        """Send the request of a read if that can be done at once; return whether it was done.

        If so, `pending` is done when there is something to be made of it, and the same read is to be awaited then.
        """
        wire = None if self._reading else self._connection.at_once(time.monotonic_ns())
        if wire is None:
            return False
        self._ask(wire, read, pending)
        self._reading = True
        self._begun, self.begun_at = read, read.sent_ns / _NS
        return True

    async def identification(self, unit: int) -> dict[int, str]:
        """Ask a unit who it is; return the text of each object that it gives, see `drivers.identifying`.

        Raises as `read` does: Refused by the many devices that do not know the function.
        """
        check_unit(unit, serial=self._serial)
        return await identified(lambda block: self._turn(self._made(unit, block)))

    def _made(self, unit: int, block: Block, poll: int = 0, attempt: int = 1) -> Read:
        return Read(unit, block, poll, attempt, self._requests.make(unit, block))

    def _taken_up(self, unit: int, block: Block, poll: int, attempt: int) -> Read | None:
        """Return what was begun of a read; another one that was begun is given up."""
        begun = self._begun
        if begun is None or begun.serves(unit, block, poll, attempt):
            return begun
        self._begun = self.begun_at = None
        self._reading = False
        self._settle(begun, None)
        return None

    async def _turn(self, read: Read) -> Exchange:
        """Send a request that was not begun, wait for its verdict; return the exchange, or raise why it failed."""
        begun = read is self._begun
        if self._reading and not begun:
            raise RuntimeError(f"line {self.name} is being read: one task reads a line")
        self._reading = True
        self._begun = self.begun_at = None
        began_ns = read.sent_ns if begun else time.monotonic_ns()
        try:
            if not begun:
                wire = self._connection.at_once(began_ns) or await self._connection.ready()
                self._ask(wire, read, wire.loop.create_future())
            verdict = None
            try:
                found = await read.pending
                if found is None or self._serial:
                    found = await self._looked_at(read, found)
                verdict = found
            finally:
                self._settle(read, verdict)
        finally:
            self._reading = False
            self.stats.busy_ns += time.monotonic_ns() - began_ns
        exchange = Exchange(
            self.name,
            read.unit,
            read.block,
            read.asked.request,
            verdict.frame,
            verdict.data,
            read.sent_ns,
            read.wire.received_ns,
            read.wire.time_ns,
            verdict.outcome,
            verdict.exception,
            read.poll,
            read.attempt,
        )
        self._note(exchange)
        if verdict.outcome is _OK:
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
        wire = self._connection.wire
        return evidence(self.endpoint.scheme, self._recent, wire.port_errors if wire is not None else PortErrors())

    @property
    def free_at(self) -> float:
        """Monotonic time [s] before which no request goes out: pause and silence are over then."""
        return self._connection.free_at

    @property
    def silence_s(self) -> float:
        """What a request that stays without an answer takes of the line's time [s], with the silence after it."""
        return 2 * self.timeout_s if self._serial else self.timeout_s

    async def close(self) -> None:
        """Close the connection; a read that waits gets LineDown, a later one opens it again."""
        await self._connection.close()

    def _ask(self, wire: Wire, read: Read, pending: Pending) -> None:
        """Send the request of a read; `pending` gets the verdict on its reply."""
        asked = read.asked
        read.wire, read.pending, read.sent_ns = wire, pending, time.monotonic_ns()
        wire.ask(asked, pending)
        self.stats.requests += 1
        self.stats.bytes_sent += len(asked.request)
        timeout_s = self.timeout_s
        if self._serial:
            timeout_s += self.endpoint.transfer_seconds(len(asked.request), asked.data_bytes + _RTU_OVERHEAD)
        expiry = wire.expiry
        if expiry is None or expiry.after_s != timeout_s:
            expiry = wire.expiry = expiry_after(wire.loop, timeout_s)
        read.due = expiry.begin(wire)

    def _settle(self, read: Read, verdict: Verdict | None) -> None:
        """End the wait for a reply; without one the line is in doubt."""
        wire = read.wire
        if wire.expiry is not None:
            wire.expiry.cancel(wire)
        self.stats.bytes_received += len(wire.received) + wire.late
        wire.late = 0
        if verdict is not None and verdict.outcome in _ANSWERS:
            self._connection.answered(wire.received_ns / _NS)
            return
        self._repeats.failed(read.asked)
        self._connection.failed(wire, read.asked, read.due)

    async def _looked_at(self, read: Read, verdict: Verdict | None) -> Verdict:
        """Return what is to be made of a reply that did not come in time, or that came on a line with RTU frames."""
        wire, asked = read.wire, read.asked
        if verdict is None:
            wire.stamp()
            if wire.received:
                return Verdict(Outcome.BAD_REPLY, wire.received, reason=unfinished(asked, wire.received))
            reason = f"no reply within {self.timeout_s:g} s: {for_silence(self.endpoint)}"
            return Verdict(Outcome.NO_REPLY, b"", reason=reason)
        if verdict.outcome in _ANSWERS:
            return await self._only(wire, asked, verdict, read.sent_ns / _NS)
        return verdict

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
