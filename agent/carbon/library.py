"""The factor sets of an installation as files: those that come with the program, and a plant's own."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from agent.carbon.errors import FactorFileError
from agent.carbon.factor_file import load_factor_file
from agent.carbon.factor_set import FactorSet, Region
from agent.carbon.factors import FactorLibrary
from drivers.document import Document, Problem, nearest

_PACKAGED = Path(__file__).parent / "factors"


def packaged_factor_files() -> list[Path]:
    """Return the files of the factor sets that come with the program."""
    return sorted(_PACKAGED.glob("*.toml"))


def load_library(extra: Sequence[Path] = (), *, packaged: Sequence[Path] | None = None) -> FactorLibrary:
    """Read the packaged sets and the files named in `extra`; raise FactorFileError with every mistake in them.

    A set of `extra` takes the place of a packaged one with its id. `packaged` are files to read in place of those
    that come with the program.
    """
    problems: list[Problem] = []
    ours = packaged_factor_files() if packaged is None else packaged
    given, own = (_read(paths, problems) for paths in (ours, extra))
    replaced = {item.id for _, item in own}
    loaded = [*(each for each in given if each[1].id not in replaced), *own]
    problems += _clashes(loaded)
    if problems:
        raise FactorFileError(problems)
    return FactorLibrary([item for _, item in loaded])


def _read(paths: Iterable[Path], problems: list[Problem]) -> list[tuple[Document, FactorSet]]:
    """Return what the files hold that can be read; add what is wrong with the others."""
    found = []
    for path in paths:
        try:
            found.append(load_factor_file(path))
        except FactorFileError as error:
            problems += error.problems
    return found


def _clashes(loaded: Sequence[tuple[Document, FactorSet]]) -> list[Problem]:
    """Return what is wrong between files: things given twice, and regions nobody knows."""
    problems: list[Problem] = []
    given: dict[tuple[str, ...], str] = {}
    regions = {region.code: region for _, item in loaded for region in item.regions}

    def once(document: Document, name: str, key: tuple[str, ...], place: tuple[str, ...]) -> None:
        if key in given:
            problems.append(document.problem(place, f"{name} is given twice", f"also in {given[key]}; leave one out"))
        given[key] = document.file

    for document, item in loaded:
        for gwp in item.gwp:
            once(document, f"global warming potentials '{gwp.name}'", ("gwp", gwp.name), ("gwp", gwp.name))
        once(document, f"factor set '{item.id}'", ("set", item.id), ("id",))
        for region in item.regions:
            place = ("region", region.code)
            once(document, f"region '{region.code}'", place, place)
            if region.within is not None and region.within not in regions:
                remedy = nearest(region.within, regions)
                problems.append(document.problem((*place, "within"), f"unknown region '{region.within}'", remedy))
            elif _lies_within_itself(region, regions):
                problems.append(
                    document.problem((*place, "within"), f"'{region.code}' lies within itself", "correct it")
                )
        for row in item.grid:
            cell = ("grid", row.kind, row.region)
            once(document, f"{row.year} factor '{row.kind}' of {row.region}", (*cell, str(row.year)), cell)
            if row.region not in regions:
                problems.append(
                    document.problem(cell, f"unknown region '{row.region}'", nearest(row.region, regions)),
                )
    return problems


def _lies_within_itself(region: Region, regions: Mapping[str, Region]) -> bool:
    seen: set[str] = set()
    current: Region | None = region
    while current is not None and current.code not in seen:
        seen.add(current.code)
        current = regions.get(current.within) if current.within else None
    return current is not None
