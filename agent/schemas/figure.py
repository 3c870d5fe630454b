"""The message of a figure: what is worked out from accounts and readings, such as an efficiency, a load or a demand."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from agent.schemas.message import Number, Recorded, Share, Time, TopicPart


class Figure(Recorded):
    """A figure of a device, an area or the site. Without `value` it could not be worked out, and `missing` says why."""

    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {"device": ["area"]},
            "anyOf": [{"required": ["value"]}, {"required": ["missing"]}],
        }
    )

    schema_: Literal["energy-agent/figure/1"] = Field(alias="schema")
    area: TopicPart | None = None
    """Part of the plant; absent when the figure is of the whole site."""
    device: TopicPart | None = None
    """Name of the device; absent when the figure is of an area or the site."""
    figure: str
    """Name of the figure, such as `motor_load_rate`."""
    span: str = Field(examples=["15min", "now"])
    """What it covers: a rolling window, a calendar span, or `now` for the latest readings alone."""
    time: Time
    """End of the span."""
    value: Number | None = None
    """The figure [`unit`]; absent when it could not be worked out."""
    unit: str
    """Unit of `value`, such as `%` or `kWh/t`; empty for a pure number."""
    norm: str | None = None
    """Where its formula comes from."""
    inputs: dict[str, Number] | None = Field(
        None, json_schema_extra={"propertyNames": {"pattern": "^[a-z][a-z0-9_]*$"}}
    )
    """What it was worked out from; keys carry their unit."""
    missing: Annotated[list[str], Field(min_length=1)] | None = None
    """What it could not be worked out without."""
    coverage: Share
    """The least coverage among its inputs."""
    estimated: Share
    """The largest estimated share among its inputs."""
    unverified: Literal[True] | None = None
    """There when its formula, or a table or factor it rests on, was not checked against its source."""
