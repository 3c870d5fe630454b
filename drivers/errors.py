"""What can go wrong below the agent.

DriverError
├── ProfileError          a device profile is wrong; carries every problem found
├── EndpointError         a line's URL is wrong
└── LineError             carries the exchange that failed, where there was one
    ├── LineDown          no connection, no port, or it broke: concerns every device of the line
    ├── NoReply           the device did not answer in time
    ├── BadReply          an answer came that does not provably belong to the request
    └── Refused           the device answered with a Modbus exception
"""

from collections.abc import Sequence
from enum import IntEnum

from drivers.document import Problem
from drivers.reading import Exchange


class ExceptionCode(IntEnum):
    """The Modbus exceptions by which a device, or a gateway, refuses a request; a device may invent others."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    """It takes longer than the reply may wait."""
    DEVICE_BUSY = 6
    NEGATIVE_ACKNOWLEDGE = 7
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND = 11


_NAMES = {int(code): code.name.lower().replace("_", " ") for code in ExceptionCode}
GATEWAY_CODES = frozenset(
    {ExceptionCode.GATEWAY_PATH_UNAVAILABLE, ExceptionCode.GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND}
)
"""Exceptions by which a gateway says that the device behind it did not answer."""


class DriverError(Exception):
    """Base of all errors of this package."""


class ProfileError(DriverError):
    """Raised when a device profile cannot be used; one problem per mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class EndpointError(DriverError):
    """Raised when a line's URL does not name an endpoint."""


class LineError(DriverError):
    """Raised when an exchange on a line gave no accepted reply."""

    def __init__(self, message: str, exchange: Exchange | None = None) -> None:
        super().__init__(message)
        self.exchange = exchange


class LineDown(LineError):
    """Raised when the line itself cannot be used."""


class NoReply(LineError):
    """Raised when the device stayed silent for the line's time-out."""


class BadReply(LineError):
    """Raised when a reply does not provably belong to the request."""


class Refused(LineError):
    """Raised when the device answered with a Modbus exception."""

    def __init__(self, code: int, exchange: Exchange) -> None:
        super().__init__(f"Modbus exception {code} ({_NAMES.get(code, 'unknown')})", exchange)
        self.code = code
