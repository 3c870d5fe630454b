"""A crowded serial line, on which some devices are dead and some come and go, against the same line without these.

Both lines are pseudo-terminals that take the time of the wire, and are polled at the same time, so that a busy
moment of the machine meets both.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from agent.polling.asking import Memory
from agent.polling.polled import Cadence, PolledDevice
from agent.polling.poller import LinePoller
from drivers.endpoint import parse_endpoint
from drivers.frame import Frame
from drivers.line import Line
from drivers.profile import Profile
from drivers.profile_file import load_profile
from drivers.reading import Quality
from tests.modbus_rig import Chunk, Request, Rig, honest, rig
from tests.soak.finding import Finding

_LIVING, _DEAD, _FLAPPING = range(1, 23), range(23, 31), range(31, 33)
_THINKS_S = 0.02
_BYTES = 8 + 5 + 2 * 10
_FIRST_PAUSES = 8
"""Attempts before the pauses have grown to their longest."""
_SHORTEST_LONG_PAUSE_S = 45.0
_UP_S = 3.0
_LONG_S = 300.0
"""After so long every device that comes and goes has been found up."""
_PROFILE = """model = "ten registers"
kind = "sensor"
source = "defined by this case"
function = 3
type = "uint16"
max_gap = 8

[points]
temperature = { address = 0, unit = "°C" }
humidity    = { address = 9, unit = "%" }
"""


class _Bus:
    """The devices of one line, and what was asked of them in vain."""

    def __init__(self, speed: float) -> None:
        self._delay_s = (_THINKS_S + _BYTES * 10 / 9600) / speed
        self._asked: Counter[int] = Counter()
        self.in_vain: Counter[int] = Counter()

    def answer(self, request: Request) -> Iterable[Chunk]:
        self._asked[request.unit] += 1
        if self._answers(request.unit):
            return [(self._delay_s, chunk) for _, chunk in honest(request)]
        self.in_vain[request.unit] += 1
        return []

    def _answers(self, unit: int) -> bool:
        if unit == _FLAPPING[0]:
            return time.monotonic() % (2 * _UP_S) < _UP_S
        if unit == _FLAPPING[1]:
            return self._asked[unit] % 3 > 0
        return unit in _LIVING


class _Polls:
    """The good polls of each device."""

    def __init__(self) -> None:
        self.count: Counter[int] = Counter()
        self.longest_s: dict[int, float] = {}
        self._last: dict[int, float] = {}

    def take(self, device: PolledDevice, _: Cadence, frame: Frame) -> None:
        if frame.quality[0] == Quality.GOOD:
            now = time.monotonic()
            gap_s = now - self._last.get(device.unit, now)
            self.longest_s[device.unit] = max(gap_s, self.longest_s.get(device.unit, 0.0))
            self._last[device.unit] = now
            self.count[device.unit] += 1

    def begin(self) -> None:
        self.count.clear()
        self.longest_s.clear()


def crowded(folder: Path, *, seconds: float, speed: float, every_s: float, kept: float) -> Finding:
    """Poll both lines for so long; at speed 1 the wire has 9,600 baud and a device has 1 s to answer.

    The living are to keep so large a share (`kept`) of the polls they have alone.
    """
    (folder / "ten.toml").write_text(_PROFILE, encoding="utf-8")
    return asyncio.run(_trial(load_profile("ten.toml", relative_to=folder), seconds, speed, every_s, kept))


async def _trial(profile: Profile, seconds: float, speed: float, every_s: float, least: float) -> Finding:
    finding = Finding("32 devices on a serial line, 8 of them dead, 2 flapping")
    alone, among = _Polls(), _Polls()
    bus = _Bus(speed)

    def devices(units: list[int]) -> list[PolledDevice]:
        return [PolledDevice(f"unit-{unit}", unit, profile, every_s) for unit in units]

    async with (
        rig("rtu", _Bus(speed).answer) as quiet,
        rig("rtu", bus.answer) as busy,
        _polling(quiet, devices([*_LIVING]), speed, alone),
        _polling(busy, devices([*_LIVING, *_DEAD, *_FLAPPING]), speed, among) as line,
    ):
        # In the first round everybody is asked once, before anything is known of anybody.
        async with asyncio.timeout(120):
            while any(not device.polls for device in line.devices):  # noqa: ASYNC110 -- a poll has no event
                await asyncio.sleep(0.05)
            await asyncio.sleep(5 / speed)
        alone.begin()
        among.begin()
        bus.in_vain.clear()
        busy_ns = line.line.stats.busy_ns
        await asyncio.sleep(seconds)
        measured = (line.line.stats.busy_ns - busy_ns) / 1e9 / seconds
    shares = {unit: among.count[unit] / alone.count[unit] for unit in _LIVING}
    kept = sum(among.count[unit] for unit in _LIVING) / sum(alone.count[unit] for unit in _LIVING)
    finding.figures |= {
        "polls of the living, of those without the others": f"{kept:.1%} (worst device {min(shares.values()):.1%})",
        "polls of one living device": f"{alone.count[1]:,} without the others, {among.count[1]:,} with them",
        "longest time between two of them": (
            f"{max(alone.longest_s.values()):.2f} s without the others, "
            f"{max(among.longest_s[unit] for unit in _LIVING):.2f} s with them"
        ),
        "asked in vain, dead": ", ".join(str(bus.in_vain[unit]) for unit in _DEAD),
        "asked in vain, flapping": ", ".join(str(bus.in_vain[unit]) for unit in _FLAPPING),
        "answers of the flapping": ", ".join(str(among.count[unit]) for unit in _FLAPPING),
        "load planned / measured": f"{line.planned_load:.0%} / {measured:.0%}",
    }
    finding.expect(kept >= least, f"the living get {kept:.1%} of their polls")
    if min(alone.count.values()) * (1 - least) > 2:
        finding.expect(min(shares.values()) >= least, f"one living device gets {min(shares.values()):.1%} of its polls")
    most = _FIRST_PAUSES + seconds / _SHORTEST_LONG_PAUSE_S
    for unit, count in bus.in_vain.items():
        finding.expect(count <= most, f"unit {unit} was asked {count} times in vain")
    for unit in _FLAPPING if seconds * speed > _LONG_S else ():
        finding.expect(among.count[unit] > 0, f"unit {unit} is not read at all")
    return finding


@asynccontextmanager
async def _polling(served: Rig, devices: list[PolledDevice], speed: float, polls: _Polls) -> AsyncIterator[LinePoller]:
    timeout_s, pause_s = 1.0 / speed, 0.02 / speed
    line = Line("bus", parse_endpoint(served.url), timeout_s=timeout_s, pause_s=pause_s)
    poller = LinePoller(
        line,
        devices,
        pause_s=pause_s,
        on_frame=polls.take,
        on_state=lambda _: None,
        memory=Memory(),
        on_overload=lambda *_: None,
    )
    task = asyncio.create_task(poller.run())
    try:
        yield poller
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
