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

from drivers.document import Problem
from drivers.reading import Exchange

_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
GATEWAY_CODES = frozenset({10, 11})
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
        super().__init__(f"Modbus exception {code} ({_EXCEPTIONS.get(code, 'unknown')})", exchange)
        self.code = code
