"""The messages about a device: what it is, how it is, what it says, and what is wrong with it."""

from datetime import date
from typing import Any, Literal

from pydantic import ConfigDict, Field

from agent.schemas.message import (
    Chained,
    Count,
    Digest,
    Figures,
    Message,
    Number,
    PublicKey,
    Recorded,
    Reservation,
    Time,
    TopicPart,
)

PLACED: dict[str, Any] = {"dependentRequired": {"area": ["device"], "device": ["area"]}}
"""Area and device stand together, or neither does and the message is about the agent."""


class Placed(Figures):
    """Where a message belongs."""

    area: TopicPart
    """Part of the plant, as in the topic."""
    device: TopicPart
    """Name of the device, as in the topic."""


class QuantityMeta(Figures):
    """What a key of telemetry means."""

    quantity: str
    """Word of the vocabulary, such as `active_power`."""
    unit: str
    """Unit of the values, such as `kW`; `1` for ratios."""
    kind: Literal["gauge", "counter", "state", "text"]
    """How it behaves in time: a gauge may be averaged, a counter only grows, a state is neither averaged nor summed."""
    label: str
    """English label."""
    label_zh: str
    """Chinese label."""


class FactorMeta(Figures):
    """The factor that weighs an account."""

    set: str
    """Set of factors, such as `GB/T 32151.34-2024`."""
    id: str
    """Row of the set, such as `natural_gas`."""
    version: str
    """Version of the set's file: another version may hold other values."""
    value: Number | None = None
    """The published number [`unit`]."""
    unit: str | None = None
    """Unit of `value`, such as `tCO2/1e4Nm3`."""
    confidence: str | None = None
    """How well the value is known, such as `verified(secondary)`."""
    note: str | None = None
    """What must be known to trust it, such as which year's factor stands in."""


class AccountMeta(Figures):
    """An account of the device."""

    unit: str
    """Unit of its amounts, such as `Nm3`."""
    carrier: str | None = None
    """Energy or matter accounted for, such as `natural_gas`."""
    factor: FactorMeta | None = None
    """Factor of today; each interval names its own."""


class CalibrationMeta(Figures):
    """A certificate of the meter."""

    certificate: str
    """Number of the certificate."""
    by: str
    """Laboratory that made it."""
    accuracy_class: str
    """Accuracy class of the meter, such as `0.5S`."""
    calibrated: date | None = None
    """Day of the calibration."""
    valid_until: date
    """Last day on which it holds."""


class Meta(Placed, Message):
    """What a subscriber must know to read a device's messages. Retained."""

    schema_: Literal["energy-agent/meta/1"] = Field(alias="schema")
    kind: str
    """Kind of device, such as `electricity-meter`."""
    model: str
    """Maker and type."""
    profile: str
    """Name of the profile the device is read by."""
    profile_digest: Digest | None = None
    """SHA-256 of the profile's file."""
    quantities: dict[str, QuantityMeta]
    """Meaning of each key of `values` in telemetry."""
    accounts: dict[str, AccountMeta]
    """Accounts of the device by name."""
    calibration: list[CalibrationMeta] | None = None
    """Certificates of the meter."""
    configuration: Digest
    """SHA-256 of the site configuration."""
    public_key: PublicKey | None = None
    """The key seals are signed with; absent while there is none."""


class State(Placed, Message):
    """Whether a device answers. Retained."""

    schema_: Literal["energy-agent/state/1"] = Field(alias="schema")
    state: Literal["online", "offline", "degraded"]
    """`degraded`: it answers, but refuses part of what its profile asks for."""
    since: Time | None = None
    """When it became so; absent while the time is not known."""
    reason: str | None = None
    """Why it is not online."""


class Telemetry(Placed, Recorded):
    """What a device said at one time."""

    schema_: Literal["energy-agent/telemetry/1"] = Field(alias="schema")
    time: Time
    """When the reply was received."""
    values: dict[str, Number] = Field(json_schema_extra={"propertyNames": {"pattern": "^[a-z][a-z0-9_]*$"}})
    """Values by `quantity_unit`, such as `active_power_kw`; states are numbers too. What has no value is absent."""
    quality: dict[str, Reservation] | None = None
    """Quality by key, only for what is not good: `uncertain:…` beside a value, `bad:…` in place of one."""


class Alarm(Recorded):
    """A named condition has become active or has ended. Retained, and delivered once as a record."""

    model_config = ConfigDict(json_schema_extra=PLACED)

    schema_: Literal["energy-agent/alarm/1"] = Field(alias="schema")
    area: TopicPart | None = None
    """Part of the plant; absent when the alarm is about the agent."""
    device: TopicPart | None = None
    """Name of the device; absent when the alarm is about the agent."""
    alarm: str
    """Name of the condition, the last part of the topic."""
    active: bool
    """Whether it is so now."""
    severity: Literal["info", "warning", "critical"]
    """How soon somebody must look."""
    since: Time
    """When it became so, or ended."""
    value: Number | None = None
    """What was measured, in the unit of the quantity, where the condition is about one."""
    limit: Number | None = None
    """What it was held against, in the same unit."""
    unit: str | None = None
    """Unit of both; empty for a pure number."""
    unverified: Literal[True] | None = None
    """There when the value rests on a factor or formula nobody here has checked."""
    unknown: Literal[True] | None = None
    """The value is not measured any more; what it was before still holds."""
    text: str
    """What to tell people, in English."""
    text_zh: str | None = None
    """The same in Chinese."""


class Event(Chained):
    """Something an engineer or auditor must be able to find: a counter that was reset, a reading that was refused."""

    schema_: Literal["energy-agent/event/1"] = Field(alias="schema")
    time: Time
    """When it happened."""
    account: str | None = None
    """Account or output it concerns; absent when it concerns the agent."""
    rule: str | None = None
    """Rule by which the account was booked, such as `reset` or `implausible`."""
    name: str | None = None
    """What happened to the agent, such as `store_damaged` or `clock_step`, or that of a device: `device_learned`."""
    by_s: Number | None = None
    """Of `clock_step`: by how much the clock was set [s]."""
    followed: bool | None = None
    """Of `clock_step`: whether the times of records go with it."""
    polls: Count | None = None
    """Of `polls_given_up`: how many were not kept."""
    text: str
    """What happened, in English."""
