"""The tables that describe the plant: lines, devices, and what is accounted for."""

import re
from datetime import date
from typing import Annotated, Any

from agent.sections.carbon import StateKeys
from agent.sections.measure import Duration, Pause, Power
from agent.sections.section import AccountName, Name, Section
from drivers.declared import After, Within, key, rule
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


Level = Annotated[str, Within(min_length=1)]
"""What a meter measures all of: `site`, an area, or a device; `none` keeps it out of the balances."""
Accuracy = Annotated[float, Within(gt=0, lt=1)]
"""Share by which a meter may be wrong: 0.01 for class 1."""


class LineSection(Section):
    """`[[line]]`: one Modbus connection or serial port."""

    name: Name
    url: Annotated[str, After(_endpoint)]
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

    certificate: Annotated[str, Within(min_length=1, max_length=200)]
    by: Annotated[str, Within(min_length=1, max_length=200)]
    accuracy_class: Annotated[str, After(_accuracy_class)]
    """As on the plate: IEC 62053 for electricity, GB 17167 asks for one of every meter."""
    calibrated: date | None = None
    valid_until: date

    @rule
    def _valid_after_it_was_made(self) -> None:
        if self.calibrated and self.valid_until <= self.calibrated:
            raise ValueError("valid_until is not after calibrated; correct one of them")

    def valid(self, day: date) -> bool:
        """Return whether it holds on a day."""
        return (self.calibrated is None or self.calibrated <= day) and day <= self.valid_until

    def said(self) -> dict[str, Any]:
        """Return it as messages have it."""
        days = {"calibrated": self.calibrated, "valid_until": self.valid_until}
        return {
            "certificate": self.certificate,
            "by": self.by,
            "accuracy_class": self.accuracy_class,
            **{name: day.isoformat() for name, day in days.items() if day},
        }


class DeviceSection(Section):
    """`[[device]]`: one Modbus unit."""

    name: Name
    area: Name
    line: str
    unit: int = key(ge=1, le=255, strict=True)
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
    source: str = key(alias="from")
    check: str | None = None
    meters: Level | None = None
