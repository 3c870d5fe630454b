"""The messages about the agent itself: whether it runs, how well, and what it had to drop."""

from typing import Literal

from pydantic import Field

from agent.schemas.device import Placed
from agent.schemas.message import Chained, Count, Figures, Message, Number, PublicKey, Recorded, Time


class Status(Message):
    """Whether the agent runs. Retained, and the last will of its connection."""

    schema_: Literal["energy-agent/status/1"] = Field(alias="schema")
    state: Literal["online", "offline"]
    """`offline`: it has ended, or the broker has lost it."""
    version: str
    """Version of the program."""
    public_key: PublicKey | None = None
    """The key seals are signed with; absent while there is none."""
    started: Time | None = None
    """When it started; absent while the time is not known."""
    clock_known: bool | None = None
    """Whether the time is known. Until then polls wait in memory, and there are no records."""
    clock_synchronised: bool | None = None
    """Whether the machine's clock is synchronised; absent when the system does not say."""


class Process(Figures):
    """What the agent costs."""

    pid: int
    """Number of the process."""
    cpu_s: Number
    """Processor time since the start [s]."""
    resident_bytes: Count
    """Memory in use [bytes]."""


class LineHealth(Figures):
    """How a line is doing; counters since the start."""

    line: str
    """Name of the line."""
    up: bool
    """Whether it is connected."""
    utilisation: Number
    """Share of the time since the start it was busy."""
    requests: Count
    """Requests sent."""
    replies: Count
    """Replies accepted."""
    exceptions: Count
    """Replies that refuse."""
    timeouts: Count
    """Requests without reply."""
    bad_replies: Count
    """Replies that do not provably belong to their request."""
    reconnects: Count
    """Connections opened again."""
    lateness_p99_ms: Number
    """Of 100 polls, 99 begin within this time after they are due [ms]."""


class DeviceHealth(Placed):
    """How a device is doing; counters since the start."""

    state: Literal["unknown", "online", "offline", "degraded"]
    """`unknown` until the first poll has ended."""
    polls: Count
    """Polls made."""
    failures: Count
    """Polls without any reply."""
    skipped: Count
    """Polls left out because the next one was due."""


class SinkHealth(Figures):
    """How far the delivery to one receiver is; counters since the start."""

    sink: str
    """Name of the receiver: `mqtt` or `influx`."""
    connected: bool
    """Whether it has taken something since the last failure."""
    acknowledged: Count
    """Records it has acknowledged."""
    errors: Count
    """Failures to deliver."""
    rejected: Count
    """Records it refused for good."""
    pending: Count
    """Records that wait for it, at most."""


class StoreHealth(Figures):
    """The store at its last commit."""

    bytes: Count
    """Size of the file with its log [bytes]."""
    committed_seq: Count
    """Number of the last record committed."""
    records: dict[str, Count]
    """Records in the file by class."""
    dropped: dict[str, Count]
    """Records dropped, by class."""
    degraded: str
    """Why the file cannot be written at the moment; empty while all is well."""


class CaptureHealth(Figures):
    """The capture of raw exchanges; counters since the start."""

    mode: Literal["off", "full"]
    """Whether exchanges are captured."""
    files: Count
    """Files on disk."""
    bytes: Count
    """Their size [bytes]."""
    exchanges: Count
    """Exchanges captured."""
    dropped: Count
    """Exchanges and notes that could not be captured."""
    trouble: str
    """Why nothing can be captured at the moment; empty while all is well."""


class Health(Recorded):
    """The agent's own figures, once a minute."""

    schema_: Literal["energy-agent/health/1"] = Field(alias="schema")
    time: Time
    """When they were taken."""
    uptime_s: Number
    """Time since the start [s]."""
    process: Process
    lines: list[LineHealth]
    devices: list[DeviceHealth]
    sinks: list[SinkHealth]
    store: StoreHealth
    capture: CaptureHealth
    records: dict[str, Count]
    """Records made since the start, by class."""


class Gap(Chained):
    """What the bounded store had to drop before it could be delivered."""

    schema_: Literal["energy-agent/gap/1"] = Field(alias="schema")
    time: Time
    """When this was noted."""
    from_seq: Count
    """Lowest number of a dropped record."""
    to_seq: Count
    """Highest number of a dropped record; not all between are gone."""
    kinds: dict[str, Count]
    """How many of each class were dropped; empty when nobody can say."""
    reason: str
    """Why."""
