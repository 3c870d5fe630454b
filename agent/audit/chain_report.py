"""What is known of a chain of records once it was gone through."""

from dataclasses import dataclass, field

from agent.audit.finding import Finding
from drivers.value import frozen


@frozen
class Moment:
    """A record, by its number, and a time."""

    seq: int
    time: str


@dataclass(slots=True)
class ChainReport:
    """What is known of a chain; it holds when there are no findings."""

    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    records: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    first: Moment | None = None
    """With the time it is of; an interval with its end."""
    last: Moment | None = None
    """As above."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """First and last numbers of records of the chain that were dropped or lost, as gap records say."""
    forgotten: bool = False
    """Whether an event tells of records that were lost, it may be without their numbers."""
    from_the_beginning: bool = False
    """Whether the first record is the first of its chain."""
    seals: int = 0
    keys: list[str] = field(default_factory=list)
    """Public keys of the seals, in the order in which they come."""
    sealed: Moment | None = None
    """The last record under a seal, with the time of the seal."""
    unsealed: int = 0
    """Records behind it."""
    confirmed: int = 0
    """Seals received outside that are the same here."""
    vouched: Moment | None = None
    """The last record under one of them, with the time of that."""
    elsewhere: int = 0
    """Seals received outside that are of other parts of the chain."""
    foreign: str = ""
    """Of which sites the seals received outside and the records are, where those have none in common."""
