"""What proves an amount: readings, and steps between them that were decided, declared or entered."""

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from agent.schemas.message import Figures, Number, QualityText, Time


class EvidenceReading(Figures):
    """A reading of the source: of a counter with its registers, else of a power or flow."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["raw"]}, {"required": ["value"]}],
            "dependentRequired": {"raw": ["registers"], "registers": ["raw"]},
        }
    )

    time: Time
    """When it was received."""
    value: Number | None = None
    """What was read, in the unit of the account; for an integral, the power or flow."""
    raw: Number | None = None
    """The number the device holds, before any scale."""
    registers: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})+$")] | None = None
    """The registers as read, in hex."""
    quality: QualityText | None = None
    """What is in doubt about it; absent when nothing is."""
    condition: dict[str, Number] | None = None
    """Pressure (absolute) and temperatures, and `weight`: how much of the account's unit one `counted_unit` is."""


class Declared(Figures):
    """A replaced meter or an initial reading, as somebody declares it; in the unit the counter is read in."""

    time: Time
    """When it happened."""
    last_reading: Number | None = None
    """What the old meter showed last; absent for an initial reading."""
    first_reading: Number
    """What the counter began with."""
    reason: str
    """Why."""
    author: str
    """Who declares it."""


class Entered(Figures):
    """An amount that somebody has entered for the time from `start` to `end`."""

    time: Time
    """When it was entered."""
    amount: Number
    """How much, in all [`unit`]."""
    reason: str
    """On what ground, such as the number of a weighing list."""
    author: str
    """Who entered it."""


class Decision(Figures):
    """A step between two readings that was not booked along the plain line between them."""

    rule: str
    """Why, such as `rollover`, `reset` or `gap`."""
    amount: Number
    """What was booked for it [`unit`]."""
    since: Time
    """From when on it was spread, evenly until `end`."""
    start: EvidenceReading
    """The reading before the step."""
    end: EvidenceReading
    """The reading after the step."""
    declared: Declared | None = None
    """What somebody declared of it, and the amount rests on."""
    entered: Entered | None = None
    """What somebody entered for it, and is the amount."""


class Evidence(Figures):
    """The readings that prove an amount, and how it follows from them.

    With `open` to `open_next` as the step around the start, and `close` to `close_next` as the one around the end,
    the counter is interpolated at both times; the difference is the amount. A missing `open` means that the account
    began at `open_next`, a missing `close_next` that nothing was read later. Each step in `decisions` replaces the
    plain difference of its readings.
    """

    open: EvidenceReading | None = None
    """The last one at or before the start."""
    open_next: EvidenceReading | None = None
    """The first one after the start."""
    close: EvidenceReading | None = None
    """The last one at or before the end."""
    close_next: EvidenceReading | None = None
    """The first one after the end."""
    rules: list[str]
    """Rules applied, such as `normal`, `rollover`, `reset`, `gap`."""
    decisions: list[Decision] | None = None
    """Steps that do not follow the plain line."""
