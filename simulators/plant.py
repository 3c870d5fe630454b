"""A simulated plant: its devices, its clock and its lines.

The simulated clock moves in fixed steps, so that the same seed and the same time give the same bits, however the
time was cut into pieces; what is left of a step waits for the next call.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from drivers.reading import Block
from simulators.boiler import Boiler
from simulators.description import (
    BoilerEntry,
    DeviceEntry,
    LineEntry,
    MeterEntry,
    MotorEntry,
    PlantDescription,
    PlantError,
    PvEntry,
    load_plant,
)
from simulators.meter import Consumer, Meter
from simulators.motor import Motor
from simulators.pv import Pv
from simulators.registers import Registers
from simulators.server import Answering, Served, Unit, serve

__all__ = ["PlantDescription", "PlantError", "SimulatedPlant", "load_plant"]

STEP_S = 0.1
_TICK_S = 0.05
_MAX_CATCH_UP_STEPS = 200
"""At one go, so that a plant that fell behind still answers in between."""


class _Device(Protocol):
    def advance(self, step_s: float, time_s: float) -> None: ...
    def values(self) -> Mapping[str, float]: ...
    def books(self) -> dict[str, float]: ...


class _Constant:
    """A device without physics: says nothing, so that its registers show constants."""

    def advance(self, step_s: float, time_s: float) -> None:
        pass

    def values(self) -> dict[str, float]:
        return {}

    def books(self) -> dict[str, float]:
        return {}


class SimulatedPlant:
    """The devices of a description. `speed` is simulated seconds per second while serving."""

    def __init__(
        self, description: PlantDescription, *, seed: int = 0, speed: float = 1.0, step_s: float = STEP_S
    ) -> None:
        """Build the devices; raise ValueError when a device's values do not fit its profile.

        Coarse steps are for simulated months: what a device does within one is lost, its books stay right.
        """
        self.description = description
        self._speed = speed
        self._step_ns = round(step_s * 1e9)
        self._replaced: dict[str, dict[str, float]] = {}
        self._devices: dict[str, _Device] = {}
        for entry in description.devices:
            self._devices[entry.name] = self._build(entry, seed)
        self._step = 0
        self._owed_ns = 0
        self._units = {entry.name: self._unit(entry) for entry in description.devices}

    def _build(self, entry: DeviceEntry, seed: int) -> _Device:
        start_hour = self.description.start_hour
        if isinstance(entry, BoilerEntry):
            return Boiler(entry, seed=seed, name=entry.name, start_hour=start_hour)
        if isinstance(entry, MotorEntry):
            return Motor(entry, seed=seed, name=entry.name, start_hour=start_hour)
        if isinstance(entry, PvEntry):
            return Pv(entry, seed=seed, name=entry.name, start_hour=start_hour)
        if isinstance(entry, MeterEntry):
            fed = [self._consumer(name) for name in entry.feeds]
            return Meter(entry, fed, seed=seed, name=entry.name, start_hour=start_hour)
        return _Constant()

    def _consumer(self, name: str) -> Consumer:
        device = self._devices[name]
        assert isinstance(device, Motor | Pv | Meter)  # noqa: S101 - load_plant refused anything else
        return device

    def _unit(self, entry: DeviceEntry) -> Unit:
        try:
            registers = Registers(self.description.profiles[entry.name], lambda: self.values(entry.name))
        except ValueError as error:
            raise ValueError(f"device '{entry.name}' does not fit profile '{entry.profile}': {error}") from error
        shown = self._step

        def read(block: Block) -> bytes:
            nonlocal shown
            if shown != self._step:
                registers.refresh()
                shown = self._step
            return registers.read(block)

        return Unit(read)

    @property
    def time_s(self) -> float:
        """Simulated seconds since the start."""
        return self._step * self._step_ns / 1e9

    def advance(self, dt_s: float) -> None:
        """Let simulated time pass, in whole steps."""
        self._owed_ns += round(dt_s * 1e9)
        steps, self._owed_ns = divmod(self._owed_ns, self._step_ns)
        for _ in range(steps):
            self._step += 1
            for device in self._devices.values():
                device.advance(self._step_ns / 1e9, self.time_s)

    def books(self) -> dict[str, dict[str, float]]:
        """Return each device's true totals since the start, by counter quantity, in canonical units."""
        return {name: device.books() for name, device in self._devices.items()}

    def values(self, device: str) -> Mapping[str, float]:
        """Return what a device shows now, by quantity, in canonical units: its physics, by the meter that is in it."""
        values = self._devices[device].values()
        offsets = self._replaced.get(device, {})
        return {name: value - offsets.get(name, 0.0) for name, value in values.items()} if offsets else values

    def replace_meter(self, device: str, first: float = 0.0) -> Mapping[str, float]:
        """Put another meter into a device, all of whose counters show `first`; return what the old one showed last.

        What the device does goes on, and so do its books.
        """
        last, books = self.values(device), self._devices[device].books()
        self._replaced[device] = {name: true - first for name, true in books.items()}
        return {name: last[name] for name in books if name in last}

    def silence(self, device: str, silent: bool) -> None:  # noqa: FBT001 - called as silence("boiler-1", True)
        """Take a device off its line, or bring it back; what it counts goes on."""
        self._units[device].silent = silent

    @contextlib.asynccontextmanager
    async def serving(
        self, on_served: Callable[[Served], None] | None = None
    ) -> AsyncIterator[Mapping[str, tuple[str, int]]]:
        """Serve every line while the context lasts; give (URL, unit) by device; raise NotServed.

        Meanwhile the simulated clock follows the monotonic one. `on_served` sees each answered read before its
        reply leaves.
        """
        async with contextlib.AsyncExitStack() as stack:
            urls = {}
            for line in self.description.lines:
                answering = Answering(line.name, self._units_of(line), on_served)
                urls[line.name] = await stack.enter_async_context(serve(line, answering))
            clock = _Clock(self.advance, self._speed)
            stack.callback(clock.stop)
            yield {entry.name: (urls[entry.line], entry.unit) for entry in self.description.devices}

    def _units_of(self, line: LineEntry) -> dict[int, Unit]:
        return {entry.unit: self._units[entry.name] for entry in self.description.devices if entry.line == line.name}


class _Clock:
    """Drives `advance` from the running loop, `speed` times as fast as the monotonic clock."""

    def __init__(self, advance: Callable[[float], None], speed: float) -> None:
        self._advance = advance
        self._speed = speed
        self._behind_s = 0.0
        self._last_ns = time.monotonic_ns()
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        now_ns = time.monotonic_ns()
        self._behind_s += (now_ns - self._last_ns) / 1e9 * self._speed
        self._last_ns = now_ns
        go = min(self._behind_s, _MAX_CATCH_UP_STEPS * STEP_S)
        self._behind_s -= go
        self._advance(go)
        pause = 0.0 if self._behind_s else _TICK_S
        self._timer = asyncio.get_running_loop().call_later(pause, self._tick)

    def stop(self) -> None:
        self._timer.cancel()
