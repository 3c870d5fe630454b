"""The files of device profiles: what a type of device can say, and where.

A profile is one TOML file, from the catalogue or beside the configuration. Loading it finds every mistake at
once: keys one by one, then what the parts say about each other.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drivers.checked import check
from drivers.declared import Table
from drivers.document import Document, DocumentError, Key, Problem, nearest
from drivers.entry import ADDRESSES, AccountEntry, PointEntry, ProfileEntry
from drivers.errors import ProfileError
from drivers.point import Defaults, Point, resolve
from drivers.profile import AccountSpec, Identity, Profile
from drivers.quantity import VOCABULARY, Kind
from drivers.reading import Block

_CATALOGUE = Path(__file__).parent / "catalogue"
# The gauge that, integrated over time, gives a counter of the dimension.
_RATES = {
    "energy": "power",
    "heat": "power",
    "reactive energy": "reactive power",
    "apparent energy": "apparent power",
    "mass": "mass flow",
    "volume": "volume flow",
    "normal volume": "normal volume flow",
}


def catalogue() -> tuple[str, ...]:
    """Return the names of all profiles that come with the program, sorted."""
    files = _CATALOGUE.glob("*/*.toml")
    return tuple(sorted(path.relative_to(_CATALOGUE).with_suffix("").as_posix() for path in files))


def load_profile(name: str, *, relative_to: Path | None = None, kept: Path | None = None) -> Profile:
    """Load a profile of the catalogue, or a `.toml` file relative to a folder; or that name as it was `kept`.

    Raises ProfileError, which carries every mistake with its place.
    """
    path = kept or profile_path(name, relative_to=relative_to)
    try:
        document = Document.load(path)
    except DocumentError as error:
        raise ProfileError([error.problem]) from error
    return _Loader(document).load(name)


def profile_path(name: str, *, relative_to: Path | None = None) -> Path:
    """Return where a profile stands; raise ProfileError for a name that the catalogue has not and that is no file."""
    known = catalogue()
    if name in known:
        return _CATALOGUE / f"{name}.toml"
    if name.endswith(".toml"):
        return (relative_to or Path()) / name
    raise ProfileError([Problem(name, 1, f"no profile '{name}' in the catalogue", nearest(name, known))])


class _Loader:
    """Turns one document into a profile, collecting problems on the way."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: list[Problem] = []

    def load(self, name: str) -> Profile:
        entry, self._problems = check(self._document, ProfileEntry, self._document.data)
        # What is sound is judged further although the rest is not: one run shows every mistake.
        top, unsound = (entry, set()) if entry else self._sound_part()
        holes = tuple(Block(hole.function or top.function or 0, hole.address, hole.count) for hole in top.holes)
        points = [point for point in self._points(top, unsound) if point]
        self._check_scales(top.points)
        self._check_places(points, holes, top)
        accounts = tuple(self._accounts(top))
        identity = self._identity(top, unsound)
        if self._problems:
            raise ProfileError(sorted(set(self._problems)))
        return Profile(
            name=name,
            model=top.model,
            kind=top.kind,
            source=top.source,
            content=self._document.content,
            digest=self._document.digest,
            points=tuple(points),
            accounts=accounts,
            identity=identity,
            max_registers=top.max_registers,
            max_gap=top.max_gap,
            holes=holes,
        )

    def _report(self, keys: tuple[Key, ...], what: str, remedy: str) -> None:
        place = ".".join(key for key in keys if isinstance(key, str))
        self._problems.append(self._document.problem(keys, f"{place}: {what}", remedy))

    def _sound_part(self) -> tuple[ProfileEntry, set[str]]:
        filled: dict[str, Any] = {"model": "-", "kind": "plc", "source": "-", "points": {"-": {}}}
        sound, unsound = _sound_keys(ProfileEntry, filled, self._document.data)
        top = ProfileEntry(**filled | sound)
        return (top if "points" in sound else top.with_(points={})), unsound

    def _points(self, top: ProfileEntry, unsound: set[str]) -> Iterator[Point | None]:
        defaults = Defaults(top.function, top.type, top.word_order, top.byte_order)
        for name, data in top.points.items():
            entry, problems = check(self._document, PointEntry, data, "points", name)
            self._problems += problems
            silent: set[str] = unsound - set(data) if isinstance(data, dict) else set()
            if entry is None:
                sound, wrong = _sound_keys(PointEntry, {"address": 0}, data if isinstance(data, dict) else {})
                entry = PointEntry(**{"address": 0} | sound)
                silent |= wrong if isinstance(data, dict) else set(PointEntry.declared)
            point, faults = resolve(name, entry, defaults)
            # Faults that may only follow from a key that is already reported would mislead.
            judged = {"", "unit"} if silent & {"type", "function"} else {"", *PointEntry.declared}
            for fault in faults:
                if fault.key in judged - silent:
                    keys = ("points", name, fault.key) if fault.key else ("points", name)
                    self._report(keys, fault.what, fault.remedy)
            yield point

    def _check_scales(self, points: Mapping[str, Any]) -> None:
        helpers = [name for name in points if name.startswith("_")]
        for name, data in points.items():
            scale_from = data.get("scale_from") if isinstance(data, dict) else None
            if isinstance(scale_from, str) and scale_from not in helpers:
                what = f"'{scale_from}' is no helper point of this file"
                remedy = nearest(scale_from, helpers) or "add a point whose name starts with an underscore"
                self._report(("points", name, "scale_from"), what, remedy)

    def _check_places(self, points: list[Point], holes: tuple[Block, ...], top: ProfileEntry) -> None:
        for position, hole in enumerate(holes):
            if hole.end > ADDRESSES:
                self._report(("holes", position, "count"), "the hole passes address 65535", "correct it")
            if not hole.function:
                self._report(("holes", position, "function"), "is missing", "add it here or at the top of the file")
        for point in points:
            if point.length > top.max_registers and point.function in {3, 4}:
                what = f"takes {point.length} registers, more than max_registers = {top.max_registers}"
                self._report(("points", point.name), what, "correct the length or max_registers")
            for hole in holes:
                if hole.function == point.function and hole.address < point.end and point.address < hole.end:
                    what = f"lies in the hole of {hole.count} from {hole.address}"
                    self._report(("points", point.name, "address"), what, "correct the address or the hole")

    def _accounts(self, top: ProfileEntry) -> Iterator[AccountSpec]:
        names: set[str] = set()
        for position, data in enumerate(top.accounts):
            entry, problems = check(self._document, AccountEntry, data, "accounts", position)
            self._problems += problems
            said = (
                {key: value for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
            )
            if said.get("name") in names:
                self._report(("accounts", position, "name"), f"'{said['name']}' stands twice", "rename one of them")
            names.add(said.get("name", ""))
            good = [
                key for key in ("from", "check") if key in said and self._check_source(position, key, said[key], top)
            ]
            if good == ["from", "check"]:
                self._check_pair(position, said["from"], said["check"])
            if entry:
                yield AccountSpec(entry.name, entry.carrier, entry.from_, entry.check)

    def _check_source(self, position: int, key: str, name: str, top: ProfileEntry) -> bool:
        if name not in top.points or name not in VOCABULARY:
            known = [point for point in top.points if point in VOCABULARY and _adds_up(point)]
            self._report(("accounts", position, key), f"'{name}' is no point of this file", nearest(name, known))
            return False
        if not _adds_up(name):
            remedy = "name a counter, a power or a flow"
            self._report(("accounts", position, key), f"'{name}' neither counts nor can be integrated", remedy)
            return False
        return True

    def _check_pair(self, position: int, counted: str, check: str) -> None:
        source, dimension = VOCABULARY[counted].unit.dimension, VOCABULARY[check].unit.dimension
        rate = _RATES.get(source, source)
        if dimension not in {rate, source}:
            what = f"'{check}' measures {dimension} and cannot check '{counted}'"
            self._report(("accounts", position, "check"), what, f"name a quantity that measures {rate}")

    def _identity(self, top: ProfileEntry, unsound: set[str]) -> Identity | None:
        entry = top.identity
        if entry is None:
            return None
        function = entry.function or top.function
        if function not in {3, 4} and "function" not in unsound:
            self._report(("identity", "function"), "does not read registers", "add function = 3 or 4")
        if entry.address + entry.count > ADDRESSES:
            self._report(("identity", "count"), "passes address 65535", "correct it")
        if entry.count > top.max_registers:
            self._report(("identity", "count"), f"is more than max_registers = {top.max_registers}", "correct it")
        if entry.expect is not None and len(entry.expect) != 4 * entry.count:
            what = f"holds {len(entry.expect) // 4} registers, not {entry.count}"
            self._report(("identity", "expect"), what, "give four hex digits for each register")
        return Identity(function or 0, entry.address, entry.count, entry.expect)


def _sound_keys(
    model: type[Table], filled: Mapping[str, Any], data: Mapping[str, Any]
) -> tuple[dict[str, Any], set[str]]:
    """Return what of a table is valid key by key, and the other keys; `filled` stands for the required ones."""
    document = Document("", "")
    sound = {key: value for key, value in data.items() if check(document, model, {**filled, key: value})[0] is not None}
    return sound, set(data) - set(sound)


def _adds_up(name: str) -> bool:
    quantity = VOCABULARY[name]
    return quantity.kind is Kind.COUNTER or (quantity.kind is Kind.GAUGE and quantity.unit.dimension in _RATES.values())
