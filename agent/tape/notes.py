"""What the accounts depend on besides exchanges, as values that JSON can hold.

Each is noted before it takes effect, in the order in which it happened. Readings, declarations and states are as they
are saved (`Reading.state`, `Declaration.state`, `AccountBook.state`); times are in ns, of the wall clock (Unix) where
nothing else is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar

from agent.polling import learning
from drivers.value import frozen, travelling

Body = dict[str, Any]


class TapeError(Exception):
    """Raised for a note that lacks something or holds something else; says what."""


@frozen
class Books:
    """The books as they stand: a ledger begins here, or goes on.

    `reason` is `start`, `reload` or `file` (a further file of the capture, or a gap in it); `configuration` and
    `profiles` are digests, `factors` versions of sets; `epoch` is the store's, `seq` its last record at this start.
    """

    kind: ClassVar = "books"
    reason: str
    part: int
    """Counts the notes of this kind of a run, from 1."""
    version: str
    python: str
    boot: str
    start_ns: int
    configuration: str
    profiles: Mapping[str, str]
    factors: Mapping[str, str]
    epoch: str
    seq: int
    begun: bool
    waiting: int
    """Polls that wait for the time to be known."""
    right: bool
    vouched: bool
    declared: Sequence[Sequence[Any]]
    accounts: Mapping[str, Sequence[Any]]
    """State (as text, for its integers may be of any size) and memory of each book."""
    learned: Mapping[str, Sequence[Any]]
    """Holes and most registers at once of each device of which something was learned."""


@frozen
class Clock:
    """Whether the clock is known to be right, and whether somebody vouches for it."""

    kind: ClassVar = "clock"
    right: bool
    vouched: bool


@frozen
class Begun:
    """The time is known: from here on frames are booked."""

    kind: ClassVar = "begun"


@frozen
class Learned:
    """What a device refuses: from here on it is asked for the rest."""

    kind: ClassVar = "learned"
    device: str
    holes: Sequence[Sequence[int]]
    max_registers: int | None


@travelling
@frozen
class Polled:
    """A poll gave a frame of which the mark at its last exchange cannot say all.

    `time_ns` is the time it was booked with, None where that is its own. `asked` has, for each block of the cadence
    (function, address, count), the exchange that counted (function, address, count, attempt, whether it was accepted)
    or None; as a whole it is None where each block has the last exchange of the poll. A `stranger` gave no value.
    """

    kind: ClassVar = "polled"
    line: str
    unit: int
    cadence: int
    time_ns: int | None
    asked: Sequence[Sequence[Any]] | None
    stranger: bool


@frozen
class Released:
    """The frame that has waited for longest was booked, with its own time (None) or another one."""

    kind: ClassVar = "released"
    time_ns: int | None


@frozen
class Received:
    """Another system told of an output: its name and the reading as booked."""

    kind: ClassVar = "received"
    output: str
    reading: Sequence[Any]


@frozen
class Declared:
    """All that is declared of counters by command, in place of what was before."""

    kind: ClassVar = "declared"
    declarations: Sequence[Sequence[Any]]


@frozen
class Explained:
    """A change that was booked as unknown is explained by a declaration (its id); `records` are to be revised."""

    kind: ClassVar = "explained"
    account: str
    declaration: str
    records: Sequence[Body]


@frozen
class Withdrawn:
    """A declaration is taken back for a reason; `records` are to be revised, which count it as `measured` or not."""

    kind: ClassVar = "withdrawn"
    declaration: Sequence[Any]
    reason: str
    measured: bool
    records: Sequence[Body]


@frozen
class Reweighed:
    """Records of an account are weighed anew by the factors in force."""

    kind: ClassVar = "reweighed"
    account: str
    reason: str
    records: Sequence[Body]


@frozen
class Entered:
    """An amount was entered for an output, at a moment of both clocks; `records` of its time are to be revised."""

    kind: ClassVar = "entered"
    entry: Sequence[Any]
    time_ns: int
    monotonic_ns: int
    records: Sequence[Body] | None
    """None where the entry is in order, so that none is."""


@frozen
class Found:
    """The books of an account that an earlier run left (their state) have turned up, and are taken up."""

    kind: ClassVar = "found"
    account: str
    state: str


@frozen
class Interval:
    """An interval record was appended; `now_ns` is the time at which it was due, None for one that was corrected."""

    kind: ClassVar = "interval"
    record: Body
    now_ns: int | None


def learned_note(device: str, learned: learning.Learned) -> Learned:
    """Return the note of what was learned of a device."""
    return Learned(device, [[hole.function, hole.address, hole.count] for hole in learned.holes], learned.max_registers)


Noted = (
    Books
    | Clock
    | Begun
    | Learned
    | Polled
    | Released
    | Received
    | Declared
    | Explained
    | Withdrawn
    | Reweighed
    | Entered
    | Found
    | Interval
)

_SHAPES: Mapping[str, type[Noted]] = {
    shape.kind: shape
    for shape in (
        *(Books, Clock, Begun, Learned, Polled, Released, Received),
        *(Declared, Explained, Withdrawn, Reweighed, Entered, Found, Interval),
    )
}


def body_of(note: Noted) -> Body:
    """Return what a note says as JSON values."""
    return {field.name: getattr(note, field.name) for field in fields(note)}


def note_of(kind: str, body: Mapping[str, Any]) -> Noted | None:
    """Return the note that JSON values came from, None for a kind that is not the tape's; raise TapeError."""
    shape = _SHAPES.get(kind)
    if shape is None:
        return None
    try:
        return shape(**{field.name: body[field.name] for field in fields(shape)})
    except KeyError as error:
        raise TapeError(f"a note '{kind}' lacks {error}") from error
