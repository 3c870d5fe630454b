"""The cases by name, each with its small and its full size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.finding import Finding
from tests.torture.damage import damage
from tests.torture.disk import disk
from tests.torture.kills import kills
from tests.torture.outage import outage
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
    "kills": Case(kills, {"kills": 8}, {"kills": 300}),
    "disk": Case(disk, {"seconds": 2.0}, {"seconds": 60.0}),
    "damage": Case(
        damage,
        {"places": 40, "processes": 1, "records": 1200},
        {"places": 1000, "processes": 20, "records": 3000},
    ),
    "outage": Case(outage, {"hours": 24, "every_s": 450, "aim": 1000}, {"hours": 24, "every_s": 10, "aim": 5000}),
    "term": Case(terms, {"terms": 2}, {"terms": 40}),
    "reload": Case(hup, {"seconds": 3.0}, {"seconds": 20.0}),
}
