"""The tables that describe the plant: lines, devices, and what is accounted for."""

import re
from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from agent.sections.carbon import StateKeys
from agent.sections.measure import Duration, Pause, Power
from agent.sections.section import AccountName, Name, Section
from drivers.endpoint import Endpoint, parse_endpoint
from drivers.errors import EndpointError


def _endpoint(value: str) -> str:
    try:
        parse_endpoint(value)
    except EndpointError as error:
        raise ValueError(str(error)) from error
    return value


def _accuracy_class(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?S?|[A-D]", value):
        raise ValueError(f"'{value}' is no accuracy class; write it as the meter's plate does, such as '0.5S' or '2'")
    return value


Level = Annotated[str, Field(min_length=1)]
"""What a meter measures all of: `site`, an area, or a device; `none` keeps it out of the balances."""
Accuracy = Annotated[float, Field(gt=0, lt=1)]
"""Share by which a meter may be wrong: 0.01 for class 1."""


class LineSection(Section):
    """`[[line]]`: one Modbus connection or serial port."""

    name: Name
    url: Annotated[str, AfterValidator(_endpoint)]
    timeout: Duration = 1.0
    pause: Pause | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The parsed URL."""
        return parse_endpoint(self.url)

    @property
    def pause_s(self) -> float:
        """Silence between two requests [s]; serial devices need some, others none."""
        default = 0.02 if self.endpoint.serial else 0.0
        return default if self.pause is None else self.pause


class CalibrationSection(Section):
    """`[[device.calibration]]`: a certificate of the meter; a meter calibrated again has one more."""

    certificate: Annotated[str, Field(min_length=1, max_length=200)]
    by: Annotated[str, Field(min_length=1, max_length=200)]
    accuracy_class: Annotated[str, AfterValidator(_accuracy_class)]
    """As on the plate: IEC 62053 for electricity, GB 17167 asks for one of every meter."""
    calibrated: date | None = None
    valid_until: date

    @model_validator(mode="after")
    def _valid_after_it_was_made(self) -> Self:
        if self.calibrated and self.valid_until <= self.calibrated:
            raise ValueError("valid_until is not after calibrated; correct one of them")
        return self

    def valid(self, day: date) -> bool:
        """Return whether it holds on a day."""
        return (self.calibrated is None or self.calibrated <= day) and day <= self.valid_until

    def said(self) -> dict[str, Any]:
        """Return it as messages have it."""
        return self.model_dump(mode="json", exclude_none=True)


class DeviceSection(Section):
    """`[[device]]`: one Modbus unit."""

    name: Name
    area: Name
    line: str
    unit: int = Field(ge=1, le=255, strict=True)
    profile: str
    every: Duration = 1.0
    rated_power: Power | None = None
    meters: Level | None = None
    accuracy: Accuracy = 0.02
    calibration: tuple[CalibrationSection, ...] = ()


class AccountSection(StateKeys):
    """`[[account]]`: an account besides those of the profile, or in place of one."""

    name: AccountName
    device: str
    carrier: str
    source: str = Field(alias="from")
    check: str | None = None
    meters: Level | None = None
