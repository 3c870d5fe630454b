"""What is asked of a device, what came of it, and why a value can be trusted."""

from enum import IntEnum, StrEnum

from drivers.value import frozen, travelling


class Quality(IntEnum):
    """Why a value can be trusted, or not; one byte per value.

    0 is good, 1-99 uncertain (a value is there, with a reservation), 100-254 bad (no value: NaN), and 255 of what was
    not asked for. The numbers are stored: a new reason takes a number that none ever had.
    """

    GOOD = 0
    STALE = 1
    """Not renewed for more than three of its cadences."""
    SUBSTITUTED = 2
    """Another value stands in, by whoever gives the value: no part of this program puts one in."""
    CLOCK_UNSYNCED = 3
    """The time of the reading is that of a clock for which nobody vouches."""
    ESTIMATED = 50
    """Of an amount: part of it was not measured."""
    INCOMPLETE = 51
    """Of an amount: part of its time was not measured."""
    MANUAL = 52
    """Of an amount: somebody entered it, nothing has counted it."""
    COMM_LOST = 100
    """No reply, or none that provably belongs to the request; a gateway may say so for the device behind it."""
    NOT_AVAILABLE = 101
    """The device itself said so, with a raw value its profile lists as `missing`, or a NaN."""
    OUT_OF_RANGE = 102
    """The device gave a number that its profile does not accept."""
    INVALID = 103
    """The raw value is no number of its declared type, such as a BCD digit above nine."""
    IDENTITY_MISMATCH = 104
    """Another device answered than the one expected."""
    NO_SUCH_ADDRESS = 105
    """The device does not have it: it says so with exception 2, or it was learned that it refuses it."""
    REFUSED = 106
    """The device answered with another exception: busy, failed, or it takes no such request."""
    NOT_ENTERED = 107
    """Of an amount: nobody has entered one for this time."""
    NOT_READ = 255
    """Not due in this poll: says nothing about the quantity."""

    @property
    def has_value(self) -> bool:
        """Whether a number stands behind this quality."""
        return self < Quality.COMM_LOST

    @property
    def label(self) -> str:
        """The text in records: `good`, `uncertain:<reason>` or `bad:<reason>`."""
        if self is Quality.GOOD:
            return "good"
        return f"{'uncertain' if self.has_value else 'bad'}:{self.name.lower()}"


LABELS = {int(quality): quality.label for quality in Quality}
"""The text in records of each quality, by its number."""


class Outcome(StrEnum):
    """How an exchange on a line ended."""

    OK = "ok"
    EXCEPTION = "exception"
    """The device answered with a Modbus exception."""
    NO_REPLY = "no_reply"
    BAD_REPLY = "bad_reply"
    """Something came that does not provably belong to the request."""
    LINE_DOWN = "line_down"
    """The connection or the port failed while waiting."""


@frozen
class Block:
    """One read request: `count` registers (functions 3, 4) or bits (1, 2) from `address` on, 0-based.

    In the exchanges of a device's identification (function 43) `address` is the first object and `count` the
    category that was asked for.
    """

    function: int
    address: int
    count: int

    @property
    def end(self) -> int:
        """First address behind the block."""
        return self.address + self.count

    # Blocks are looked up several times for each request, so what does that is written out.

    def __eq__(self, other: object) -> bool:
        """Return whether another block is the same."""
        return (
            isinstance(other, Block)
            and self.address == other.address
            and self.count == other.count
            and self.function == other.function
        )

    def __hash__(self) -> int:
        """Return a number that tells blocks apart well enough."""
        return self.address


@travelling
@frozen
class Exchange:
    """One request on a line and what came of it.

    `request` and `reply` are the bytes on the wire, with MBAP header or CRC; `data` is the payload of an
    accepted reply: registers as big-endian words, or bits packed from the lowest on. Times: `sent_ns` and
    `received_ns` from the monotonic clock, `time_ns` the wall clock at reception (Unix, ns).
    """

    line: str
    unit: int
    block: Block
    request: bytes
    reply: bytes
    data: bytes
    sent_ns: int
    received_ns: int
    time_ns: int
    outcome: Outcome
    exception: int = 0
    """Modbus exception code when the outcome is `exception`."""
    poll: int = 0
    """What the exchanges of one poll of a device share, so that they can be put together again; 0 outside polls."""
    attempt: int = 1
    """Counts the requests for this block within its poll."""
