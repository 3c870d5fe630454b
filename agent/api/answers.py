"""What the local API answers that is no message: the agent's state and its parts, as they are at the moment."""

from typing import Annotated, Any, Literal

from pydantic import Field

from agent.schemas.agent import DeviceHealth, LineHealth, Process, SinkHealth, StoreHealth
from agent.schemas.message import Count, Digest, Figures, Number, QualityText, Reservation, Share, Time, TopicPart


def _or_null(kind: str) -> Any:
    return Field(json_schema_extra={"type": [kind, "null"]})


class Life(Figures):
    """Whether the agent does its work."""

    alive: bool
    """Whether all its loops turn and the store can be written."""
    reasons: list[str]
    """What is wrong; empty while it is alive."""


class Error(Figures):
    """Why there is no other answer."""

    error: str
    """One line: what is wrong and what to do."""


class LineState(LineHealth):
    """A line at the moment; counters since the start."""

    url: str
    """Where it leads, as configured."""
    reason: str
    """Why it is not connected; empty while it is."""
    lateness_mean_ms: Number
    """How long after they were due polls began, on average [ms]."""
    lateness_max_ms: Number
    """The longest of that [ms]."""
    lateness_sum_s: Number
    """The sum of that [s]."""
    lateness_buckets_ms: list[Count]
    """Polls less than 1, 2, 4, 8 ... ms late, each in the first that holds; the last counts all others."""
    bytes_sent: Count
    """Bytes sent."""
    bytes_received: Count
    """Bytes received."""
    busy_ns: Count
    """Time the line was busy [ns]."""


class DeviceState(DeviceHealth):
    """A device at the moment; values only while it answers."""

    line: str
    """Name of its line."""
    unit: Count
    """Modbus unit."""
    profile: str
    """Profile it is read by."""
    kind: str
    """Kind of device, such as `electricity-meter`."""
    since: Annotated[Time | None, _or_null("string")]
    """Since when it is in this state; null before the first poll."""
    reason: str
    """Why it is not online; empty while it is."""
    time: Time | None = None
    """When the newest of the values was received."""
    values: dict[str, Number] | None = None
    """The latest value of each quantity, by `quantity_unit`."""
    quality: dict[str, Reservation] | None = None
    """Quality by key, only for what is not good."""


class LastInterval(Figures):
    """What counts of the last closed interval of an account; the whole record is in `/api/v1/intervals`."""

    start: Time
    """Start, included."""
    end: Time
    """End, excluded."""
    revision: Count
    """0, then one more for each correction."""
    amount: Number
    """What was used, in the unit of the account."""
    energy_kwh: Number | None = None
    """Its energy [kWh]; absent for an output."""
    co2_kg: Number | None = None
    """CO2 [kg]; for electricity by location."""
    unverified: bool | None = None
    """There when the figures rest on a factor nobody here has checked."""
    coverage: Share
    """Share of the time that was measured."""
    estimated: Share
    """Share of the amount whose course was not measured."""
    quality: QualityText
    """`good` when the interval was measured as a whole."""


class AccountState(Figures):
    """An account or output at the moment."""

    account: str
    """Name: device and word, or that of the output."""
    device: str
    """Device it is read from."""
    carrier: Annotated[str | None, _or_null("string")]
    """Energy or matter accounted for; null for an output."""
    amount: Number
    """What was booked so far [`unit`]."""
    unit: str
    """Unit of `amount`."""
    refused: Count
    """Readings since the start of the agent that could not be booked: no number, or not later than the last."""
    time: Time | None = None
    """When the last reading was received."""
    reading: Number | None = None
    """The last reading [`unit`; of an integral: its power or flow]."""
    interval: LastInterval | None = None


class WorkedOutInterval(LastInterval):
    """The last interval of a virtual account or a balance, in its latest revision."""

    metered_amount: Number | None = None
    """Of a balance: what the meters behind say [`unit`]."""
    rest_amount: Number | None = None
    """What nobody metered [`unit`]."""
    rest_percent: Number | None = None
    """Its share [%] of the amount."""
    disagreement_amount: Number | None = None
    """By how much meters disagree [`unit`]; 0 while they agree."""
    missing: list[str] | None = None
    """Accounts behind that told nothing."""


class WorkedOutState(Figures):
    """A virtual account or a balance."""

    account: str
    """Its name."""
    unit: str
    """Unit of its amounts."""
    interval: WorkedOutInterval


class SinkState(SinkHealth):
    """The delivery to one receiver at the moment."""

    connected_s: Number
    """For how long it has been taking what it is given [s]."""
    sent: Count
    """Records sent, repeats included."""
    last_error: str
    """The last thing that went wrong; empty when nothing did."""


class Backlog(Figures):
    """What one receiver has not acknowledged, as of the last commit."""

    cursor: Count
    """Up to this number it has everything but alarms."""
    oldest_seq: Annotated[int | None, _or_null("integer")]
    """Number of the oldest record it has not acknowledged; null when it has all."""
    oldest_ns: Annotated[int | None, _or_null("integer")]
    """Time of that record [Unix, ns]."""
    dead_letters: Count
    """Records it refused for good that are kept aside."""


class StoreState(StoreHealth):
    """The store at its last commit."""

    commits: Count
    """Commits the file has seen."""
    dropped_for: dict[str, Count]
    """Records dropped, by reason."""
    sinks: dict[str, Backlog]
    """What is not delivered, by receiver."""
    set_aside: str
    """Where a damaged file was put; empty when there was none."""


class ActiveAlarm(Figures):
    """A condition that is so now."""

    key: str
    """Where: `area/device`, or `agent`."""
    name: str
    """Name of the condition."""
    severity: Literal["info", "warning", "critical"]
    """How soon somebody must look."""
    since: Time
    """When it became so."""
    text: str
    """What to tell people, in English."""
    text_zh: str
    """The same in Chinese."""


class ClockState(Figures):
    """What is known of the time."""

    known: bool
    """Whether it is; until then polls wait and nothing is recorded."""
    astray_s: Number
    """How far the machine's clock is ahead of the times of records [s]."""
    steps: Count
    """How often the machine's clock was set since the start."""
    behind_records: bool
    """Whether it is earlier than what earlier runs have recorded."""
    frames_waiting: Count
    """Polls that wait for the time to be known."""
    frames_given_up: Count
    """Polls that could not be kept until then."""


class AgentState(Figures):
    """Everything the agent says of itself."""

    site: TopicPart
    """Name of the plant."""
    version: str
    """Version of the program."""
    started: Time
    """When it started."""
    uptime_s: Number
    """For how long it has been running [s]."""
    clock_synchronised: Annotated[bool | None, _or_null("boolean")]
    """Whether the machine's clock is synchronised; null when the system does not say."""
    clock: ClockState
    configuration: Digest
    """SHA-256 of the site configuration."""
    process: Process
    stalled: list[str]
    """Loops that must turn and do not."""
    lines: list[LineState]
    devices: list[DeviceState]
    accounts: list[AccountState]
    worked_out: list[WorkedOutState]
    """Virtual accounts and balances that have an interval since the start."""
    sinks: list[SinkState]
    store: StoreState
    records: dict[str, Count]
    """Records made since the start, by class; besides `frames` (polls answered or not) and `values` in them."""
    intervals_closed: dict[str, Count]
    """Interval records made since the start, by account."""
    intervals_revised: dict[str, Count]
    """Those of them that are revisions of an earlier one."""
    alarms: list[ActiveAlarm]
