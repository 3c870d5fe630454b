"""Plant files: which simulated devices stand on which lines.

    [plant]                      name, start_hour
    [[line]]                     name, kind = "tcp" | "rtu+tcp" | "serial", and where it is served
    [[boiler]] [[motor]] [[meter]] [[device]]
                                 name, line, unit, profile, and the nameplate of the kind

`[[device]]` is for profiles without physics: it shows constant values. A meter names in `feeds` the motors and
meters behind it.
"""

import graphlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from drivers.checked import check
from drivers.document import Document, DocumentError, Key, Problem, nearest
from drivers.errors import ProfileError
from drivers.profile import Profile
from drivers.profile_file import load_profile
from simulators.boiler import BoilerRating
from simulators.meter import MeterRating
from simulators.motor import MotorRating
from simulators.pv import PvRating
from simulators.rating import Rating

DEMO = Path(str(resources.files("simulators"))) / "plants" / "demo.toml"

_Entry = TypeVar("_Entry", bound=BaseModel)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class PlantError(Exception):
    """Raised when a plant file cannot be used; one problem per mistake found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class LineEntry(BaseModel):
    """Where a line is served.

    Port 0 takes a free one. A serial line is an existing port at `path`, else a new pseudo-terminal, linked there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: Literal["tcp", "rtu+tcp", "serial"] = "tcp"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    path: str = ""
    baud: Annotated[int, Field(ge=1)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop: Literal[1, 2] = 1


class _Placed(Rating):
    """What every device says besides its nameplate."""

    name: Name
    line: Name
    unit: Annotated[int, Field(ge=1, le=247)]
    profile: str


class BoilerEntry(BoilerRating, _Placed):
    """A simulated boiler and its place."""


class MotorEntry(MotorRating, _Placed):
    """A simulated motor with its drive and its place."""


class PvEntry(PvRating, _Placed):
    """A simulated photovoltaic plant and its place."""


class MeterEntry(MeterRating, _Placed):
    """A simulated meter, its place, and the devices behind it."""

    feeds: tuple[Name, ...] = ()


class ConstantEntry(_Placed):
    """A device that shows constant values, and its place."""


class _PlantEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    start_hour: Annotated[float, Field(ge=0.0, lt=24.0)] = 8.0
    """Hour of the day at which the simulated clock starts."""


DeviceEntry = BoilerEntry | MotorEntry | PvEntry | MeterEntry | ConstantEntry
_SECTIONS: Mapping[str, type[DeviceEntry]] = {
    "boiler": BoilerEntry,
    "motor": MotorEntry,
    "pv": PvEntry,
    "meter": MeterEntry,
    "device": ConstantEntry,
}


@dataclass(frozen=True, slots=True)
class PlantDescription:
    """A checked plant: its lines, its devices (everything a meter feeds before it), and a profile for each."""

    name: str
    start_hour: float
    lines: tuple[LineEntry, ...]
    devices: tuple[DeviceEntry, ...]
    profiles: Mapping[str, Profile]
    """By device name."""


def load_plant(path: Path | None = None) -> PlantDescription:
    """Read a plant file, or the built-in demo plant; raise PlantError with every mistake in it."""
    try:
        document = Document.load(path or DEMO)
    except DocumentError as error:
        raise PlantError([error.problem]) from error
    return _Check(document, (path or DEMO).parent).description()


class _Check:
    """Collects every mistake of one plant file."""

    def __init__(self, document: Document, directory: Path) -> None:
        self._document = document
        self._directory = directory
        self._problems: list[Problem] = []
        self._places: dict[str, tuple[str, int]] = {}

    def description(self) -> PlantDescription:
        """Return the plant; raise PlantError when anything is wrong with it."""
        data = self._document.data
        known = ("plant", "line", *_SECTIONS)
        for key in data.keys() - set(known):
            self._report((key,), f"unknown key '{key}'", nearest(key, known))
        plant, problems = check(self._document, _PlantEntry, data.get("plant", {}), "plant")
        self._problems += problems
        lines = [entry for entry, place in self._entries("line", LineEntry) if self._is_new(entry.name, place)]
        devices = {
            entry.name: entry
            for section, model in _SECTIONS.items()
            for entry, place in self._entries(section, model)
            if self._is_new(entry.name, place)
        }
        self._check_places(devices)
        order = self._order(devices)
        profiles = dict(self._profiles(devices))
        if not self._problems and not devices:
            self._report((), "no device to simulate", "add a [[boiler]], [[motor]], [[meter]] or [[device]]")
        if self._problems or plant is None:
            raise PlantError(sorted(set(self._problems)))
        return PlantDescription(
            plant.name, plant.start_hour, tuple(lines), tuple(devices[name] for name in order), profiles
        )

    def _report(self, keys: tuple[Key, ...], what: str, remedy: str) -> None:
        self._problems.append(self._document.problem(keys, what, remedy))

    def _tables(self, section: str) -> Iterator[tuple[int, Any]]:
        found = self._document.data.get(section, [])
        if isinstance(found, list):
            yield from enumerate(found)
        else:
            self._report((section,), f"'{section}' is not a list of tables", f"write [[{section}]]")

    def _entries(self, section: str, model: type[_Entry]) -> Iterator[tuple[_Entry, tuple[str, int]]]:
        for index, data in self._tables(section):
            entry, problems = check(self._document, model, data, section, index)
            self._problems += problems
            if entry is not None:
                yield entry, (section, index)

    def _is_new(self, name: str, place: tuple[str, int]) -> bool:
        """Note where a line or device stands; report a second one of its name."""
        if name in self._places and (self._places[name][0] == "line") == (place[0] == "line"):
            first = self._document.line(*self._places[name])
            self._report((*place, "name"), f"a second '{name}', the first is in line {first}", "rename one")
            return False
        self._places[name] = place
        return True

    def _check_places(self, devices: Mapping[str, DeviceEntry]) -> None:
        # Lines whose own entry is faulty are known all the same: one mistake is one problem.
        lines = {str(data.get("name")) for _, data in self._tables("line") if isinstance(data, dict)}
        taken: dict[tuple[str, int], str] = {}
        for device in devices.values():
            place = self._places[device.name]
            if device.line not in lines:
                self._report((*place, "line"), f"no line '{device.line}'", nearest(device.line, lines))
            other = taken.setdefault((device.line, device.unit), device.name)
            if other != device.name:
                what = f"unit {device.unit} of line '{device.line}' is already '{other}'"
                self._report((*place, "unit"), what, "give each device of a line its own unit")

    def _order(self, devices: Mapping[str, DeviceEntry]) -> Iterable[str]:
        """Return the names so that everything a meter feeds stands before it."""
        feeds: dict[str, tuple[str, ...]] = dict.fromkeys(devices, ())
        electric = [name for name, device in devices.items() if isinstance(device, MotorEntry | PvEntry | MeterEntry)]
        for name, device in devices.items():
            if not isinstance(device, MeterEntry):
                continue
            for index, fed in enumerate(device.feeds):
                if fed not in electric:
                    keys = (*self._places[name], "feeds", index)
                    self._report(keys, f"no motor, pv or meter '{fed}' to feed", nearest(fed, electric))
            feeds[name] = tuple(fed for fed in device.feeds if fed in electric)
        try:
            return tuple(graphlib.TopologicalSorter(feeds).static_order())
        except graphlib.CycleError as error:
            circle = error.args[1]
            what = f"meters feed each other in a circle: {' - '.join(circle)}"
            self._report((*self._places[circle[0]], "feeds"), what, "feed each device from above")
            return ()

    def _profiles(self, devices: Mapping[str, DeviceEntry]) -> Iterator[tuple[str, Profile]]:
        loaded: dict[str, Profile | None] = {}
        for device in devices.values():
            if device.profile not in loaded:
                loaded[device.profile] = self._profile(device)
            profile = loaded[device.profile]
            if profile is not None:
                yield device.name, profile

    def _profile(self, device: DeviceEntry) -> Profile | None:
        try:
            return load_profile(device.profile, relative_to=self._directory)
        except ProfileError as error:
            for problem in error.problems:
                if problem.file == device.profile and not device.profile.endswith(
                    ".toml"
                ):  # no file: the name is wrong
                    self._report((*self._places[device.name], "profile"), problem.what, problem.remedy)
                else:
                    self._problems.append(problem)
            return None
