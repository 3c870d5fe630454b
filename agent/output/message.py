"""What another system says of an output: a number, or JSON with the number and perhaps its time at named keys."""

import math
from datetime import datetime
from typing import Any

import orjson

from agent.record import unix_ns
from agent.sections.output import OutputSection

_LATEST_S = 253_402_300_800.0
"""The end of the year 9999: what is beyond counts something else than seconds."""


def parse(section: OutputSection, payload: bytes) -> tuple[float, int | None]:
    """Return the number of a message, and its time (Unix, ns) where the output names its key.

    Raises ValueError saying what is wrong.
    """
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise ValueError("it is neither a number nor JSON") from error
    if section.value is None:
        return _number(said, "it"), None
    value = _number(_at(said, section.value), f"'{section.value}'")
    return value, _time(_at(said, section.time), section.time) if section.time else None


def _at(said: Any, key: str) -> Any:
    """Return what stands at a key, or at keys within keys joined by dots."""
    for part in key.split("."):
        if not isinstance(said, dict) or part not in said:
            raise ValueError(f"it has no '{key}'")
        said = said[part]
    return said


def _number(said: Any, what: str) -> float:
    if isinstance(said, str):
        try:
            said = float(said)
        except ValueError:
            said = None
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise ValueError(f"{what} is no number")
    return float(said)


def _time(said: Any, key: str) -> int:
    """Return a time in RFC 3339 with its offset, or in seconds since 1970, in ns."""
    if isinstance(said, str):
        try:
            moment = datetime.fromisoformat(said)
        except ValueError as error:
            raise ValueError(f"'{key}' is no time") from error
        if moment.tzinfo is None:
            raise ValueError(f"'{key}' is a time without offset from UTC")
        return unix_ns(moment)
    seconds = _number(said, f"'{key}'")
    if not 0 < seconds < _LATEST_S:
        raise ValueError(f"'{key}' is no time in seconds since 1970")
    return round(seconds * 1_000_000) * 1000
