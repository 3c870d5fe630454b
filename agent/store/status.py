"""What the store says about itself."""

from dataclasses import field

from drivers.value import frozen


@frozen
class SinkStatus:
    """How far a sink is: `oldest_seq` and `oldest_ns` are those of the first record it has not acknowledged.

    Up to `cursor` it has everything but alarms.
    """

    cursor: int
    oldest_seq: int | None
    oldest_ns: int | None
    dead_letters: int


@frozen
class StoreStatus:
    """The store at its last commit."""

    bytes: int = 0
    committed_seq: int = 0
    commits: int = 0
    records: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    """Records dropped undelivered, by kind."""
    dropped_for: dict[str, int] = field(default_factory=dict)
    """The same, by reason."""
    sinks: dict[str, SinkStatus] = field(default_factory=dict)
    degraded: str = ""
    """Why the file cannot be written at the moment; empty while all is well."""
    set_aside: str = ""
    """Where a damaged file was put; empty when there was none."""
    displaced: str = ""
    """What had to be done because the file was removed or replaced while running; empty when it never was."""
