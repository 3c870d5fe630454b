"""What a subscriber was told of devices whose registers encode unit, function, address and time, judged by these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from drivers.quantity import VOCABULARY
from simulators.fault.values import ticks
from tests.soak.delivery import time_ns
from tests.torture.receivers import written_since

_TICK_S = 1e-5
_TICKS = 1 << 32
_CADENCES = 3
"""A value older than so many of its cadences must be marked."""
_STALE = "uncertain:stale"


@dataclass(frozen=True, slots=True)
class Family:
    """Four registers that name their request, and the quantities that hold the first, the second, and the time."""

    function: int
    address: int
    unit: str
    names: tuple[str, str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys in records."""
        return tuple(VOCABULARY[name].key for name in self.names)


FAMILIES = (
    Family(3, 100, "V", ("voltage_l1", "voltage_l2", "voltage_l3")),
    Family(3, 2000, "A", ("current_l1", "current_l2", "current_l3")),
    Family(4, 4000, "°C", ("motor_temperature", "drive_temperature", "bearing_temperature")),
)
"""Two of one function and length, which nothing in a reply over RTU tells apart, and one of another function."""


@dataclass(slots=True)
class Told:
    """Every telemetry record a subscriber wrote down, judged; read on with `read_on`."""

    file: Path
    every_s: float
    timeout_s: float
    checked: int = 0
    stale: int = 0
    missing: int = 0
    """Families of which a record has no value."""
    oldest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    last_ns: dict[str, int] = field(default_factory=dict)
    """When each device was last read with a value (Unix, ns)."""
    _offset: int = 0

    def read_on(self) -> "Told":
        """Take what has come since."""
        for line, place in written_since(self.file, self._offset):
            self._offset = place
            _, _, topic, payload = line.split(b" ", 3)
            if topic.endswith(b"/telemetry"):
                self.take(orjson.loads(payload))
        return self

    def take(self, body: Mapping[str, Any]) -> None:
        """Judge one record; the unit stands in the device's name behind the last dash."""
        for family in FAMILIES:
            found = [body["values"].get(key) for key in family.keys]
            if found == [None] * len(found):
                self.missing += 1
                continue
            self.checked += len(found)
            self.last_ns[body["device"]] = time_ns(body["time"])
            if problem := self._doubt(body, family, found):
                self.wrong.append(f"{body['device']}, {body['time']}, {family.keys} = {found}: {problem}")

    def _doubt(self, body: Mapping[str, Any], family: Family, found: list[float | None]) -> str:
        whose, address, tick = found
        unit = int(body["device"].rpartition("-")[2])
        if whose != (unit << 8 | family.function) or address != family.address + 1 or tick is None:
            return f"not of unit {unit}, function {family.function}, address {family.address}"
        read = ticks(body["clock"]["monotonic_us"] * 1000)
        # The clock of the record is cut to whole microseconds, the tick to ten of them.
        age_s = ((read - int(tick) + 1) % _TICKS - 1) * _TICK_S
        if all(body.get("quality", {}).get(key) == _STALE for key in family.keys):
            self.stale += len(found)
            return ""
        # The time is that of the request: its reply may take a time-out, and an attempt more.
        if age_s > _CADENCES * self.every_s + 2 * self.timeout_s:
            return f"of a request {age_s:.3f} s before the end of its poll"
        self.oldest_s = max(self.oldest_s, age_s)
        return ""
