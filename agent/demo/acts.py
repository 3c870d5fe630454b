"""What happens in the demo besides the machines running: an outage of a device, a cut link."""

import asyncio
import itertools

from agent.demo.link import Link
from simulators.plant import SimulatedPlant

_DEVICES = ("motor-2", "motor-1", "main-meter", "boiler-1")
"""Lost in turn: a device that is lost again within minutes would be asked by ever longer pauses."""
_CALM_S = 6.0
_OUTAGE_S = 8.0
_CUT_S = 18.0
"""Longer than the demo's tiny store can bridge, so that one sees what it does then."""


class Acts:
    """Plays one act after the other for ever; `news` says in one line what is going on."""

    def __init__(self, plant: SimulatedPlant, link: Link) -> None:
        self._plant = plant
        self._link = link
        self._next = itertools.cycle(_DEVICES)
        self.news = ""

    async def play(self) -> None:
        """Play until cancelled."""
        for act in itertools.cycle((self._lose_device, self._lose_link)):
            self.news = ""
            await asyncio.sleep(_CALM_S)
            await act()

    def undo(self) -> None:
        """Put everything right again."""
        for device in _DEVICES:
            self._plant.silence(device, False)
        self._link.cut = False

    async def _lose_device(self) -> None:
        device = next(self._next)
        self.news = f"{device} is taken off its line: offline, an alarm, falling coverage"
        self._plant.silence(device, True)
        await asyncio.sleep(_OUTAGE_S)
        self._plant.silence(device, False)
        self.news = f"{device} is on its line again: found after a pause, its gap is booked as estimated"
        await asyncio.sleep(_OUTAGE_S)

    async def _lose_link(self) -> None:
        self.news = "the link to the broker is cut: records wait in the store, kept tiny for the demo"
        self._link.cut = True
        self._link.break_connections()
        await asyncio.sleep(_CUT_S)
        self._link.cut = False
        self.news = "the link is back: what waited goes out, oldest first; a gap record counts what found no room"
        await asyncio.sleep(_OUTAGE_S)
