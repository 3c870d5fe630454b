"""The cases by name, each with its small and its full size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.finding import Finding
from tests.torture.answers import answers
from tests.torture.bundles import bundles
from tests.torture.clocks import clocks
from tests.torture.crowded import crowded
from tests.torture.damage import damage
from tests.torture.disk import disk
from tests.torture.faults import faults
from tests.torture.kills import kills
from tests.torture.links import links
from tests.torture.lossy import lossy
from tests.torture.misbehaving import misbehaving
from tests.torture.outage import outage
from tests.torture.overload import overload
from tests.torture.replayed import replayed
from tests.torture.signals import hup, terms


@dataclass(frozen=True, slots=True)
class Case:
    """A case and its sizes; the small one is for every run of the tests."""

    run: Callable[..., Finding]
    small: Mapping[str, Any]
    full: Mapping[str, Any]

    def __call__(self, folder: Path, *, full: bool) -> Finding:
        """Run the case in a folder of its own."""
        return self.run(folder, **(self.full if full else self.small))


CASES: Mapping[str, Case] = {
    "kills": Case(kills, {"kills": 8, "longest_s": 0.8}, {"kills": 300, "longest_s": 2.5}),
    "term": Case(terms, {"terms": 2}, {"terms": 40}),
    "reload": Case(hup, {"seconds": 4.0}, {"seconds": 20.0}),
    "outage": Case(outage, {"hours": 24, "every_s": 450, "aim": 500}, {"hours": 24, "every_s": 10, "aim": 5000}),
    "disk": Case(disk, {"seconds": 3.0, "faults": 2}, {"seconds": 60.0, "faults": 5}),
    "damage": Case(
        damage,
        {"places": 40, "processes": 1, "records": 1200},
        {"places": 1000, "processes": 20, "records": 3000},
    ),
    "answers": Case(answers, {"seconds": 2.0}, {"seconds": 120.0}),
    "bundles": Case(bundles, {"seconds": 8.0, "flips": 200}, {"seconds": 60.0, "flips": 2000}),
    "links": Case(links, {"seconds": 1.5, "stall_s": 1.5}, {"seconds": 60.0, "stall_s": 60.0}),
    "lossy": Case(lossy, {"seconds": 3.0, "lost": 0.3}, {"seconds": 180.0, "lost": 0.3}),
    "overload": Case(
        overload,
        {"seconds": 200, "speed": 50.0, "max_size": 3 << 20},
        {"seconds": 3600, "speed": 40.0, "max_size": 32 << 20},
    ),
    "faults": Case(
        faults,
        {"reads": 4000, "lines": 48, "processes": 1},
        {"reads": 1_000_000, "lines": 48, "processes": 2},
    ),
    "misbehaving": Case(
        misbehaving,
        {"seconds": 5.0, "chance": 0.01, "longest_s": 1.0},
        {"seconds": 600.0, "chance": 0.01, "longest_s": 10.0},
    ),
    "crowded": Case(
        crowded,
        # In small a line four times as fast shares two cores with the other cases: a dead device that costs its
        # neighbours their polls still shows, the promised 5 % do not.
        {"seconds": 9.0, "speed": 4.0, "every_s": 1.5, "kept": 0.85},
        {"seconds": 600.0, "speed": 1.0, "every_s": 2.5, "kept": 0.95},
    ),
    "replay": Case(replayed, {"hours": 2.0, "seconds": 24.0}, {"hours": 24.0, "seconds": 600.0}),
    "clocks": Case(clocks, {"seconds": 4.0, "motors": 1, "stories": 2}, {"seconds": 30.0, "motors": 20, "stories": 5}),
}
