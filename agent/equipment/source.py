"""The source of the figures of all declared equipment."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.equipment import powered, thermal
from agent.equipment.gather import Moment
from agent.figure import Figure
from agent.latest import LatestOf
from agent.sections.equipment import EquipmentSection, ServerRoomSection

_PREFERRED_S = 900.0

_Works = Callable[[Any, str, str, Moment], Iterator[Figure]]
"""Works out the figures of one section at a place over a span."""
_WORKS: Mapping[str, _Works] = {
    "boiler": thermal.boiler,
    "motor": powered.motor,
    "transformer": powered.transformer,
    "compressor": powered.compressor,
    "pump": powered.mover,
    "fan": powered.mover,
    "feeder": powered.feeder,
    "server_room": powered.server_room,
}


def span_of(section: EquipmentSection, spans_s: Mapping[str, float]) -> str:
    """Return the window of a section's figures: as declared, else the longest for a load factor or about 15 min."""
    if section.span:
        return section.span
    if section.kind == "feeder":
        return max(spans_s, key=spans_s.__getitem__)
    enough = [span for span, length_s in spans_s.items() if length_s >= _PREFERRED_S]
    return min(enough, key=spans_s.__getitem__) if enough else max(spans_s, key=spans_s.__getitem__)


class Equipment:
    """Works out the figures of every `[[equipment]]` of a configuration."""

    def __init__(self, config: SiteConfig, ledger: Ledger, latest: LatestOf) -> None:
        areas = {device.name: device.area for device in config.devices}
        spans = config.windows.spans_s
        self._ledger = ledger
        self._latest = latest
        self._profiles = config.profiles
        self._atmosphere_mpa = config.site.atmosphere_mpa
        self._sections = [
            (
                section,
                section.area if isinstance(section, ServerRoomSection) else f"{areas[section.device]}/{section.device}",
                span_of(section, spans),
            )
            for section in config.equipment
        ]

    def figures(self, time_ns: int) -> Iterator[Figure]:
        """Yield the figures of this moment (wall clock, ns)."""
        windows = {figures.span: figures for figures in self._ledger.figures()}
        moment = Moment(time_ns, self._ledger, windows, self._latest, self._profiles, self._atmosphere_mpa)
        for section, place, span in self._sections:
            yield from _WORKS[section.kind](section, place, span, moment)
