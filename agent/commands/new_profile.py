"""Writing points that were recognised into a profile of one's own."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from agent.commands.outcome import CommandError
from agent.commissioning.profile_text import NewPoint, skeleton, with_point
from agent.commissioning.verdicts import Verdict
from drivers.document import DocumentError, read_document
from drivers.errors import ProfileError
from drivers.profile_file import load_profile

_NO_UNIT = frozenset({"1", "count", "word", "bool", "text"})
_LONGEST_GAP = 16


def add_points(path: Path, function: int, words: Mapping[int, int], recognised: Sequence[Verdict]) -> None:
    """Add points to a profile, which is begun when there is none; a file that would not load is left as it was.

    `words` are the registers that were read: what lies between points may be read through. Raises CommandError.
    """
    if path.suffix != ".toml":
        raise CommandError(f"--profile {path}: a profile of your own is a TOML file: write {path.name}.toml")
    if not recognised:
        return
    points = [new_point(verdict, function) for verdict in recognised]
    try:
        text = read_document(path) if path.exists() else ""
    except DocumentError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{path}: cannot be read ({error.strerror}): give --profile another file") from error
    if text:
        _check(path)
    else:
        source = f"values compared with the display by energy-agent decode, {time.strftime('%Y-%m-%d')}"
        text = skeleton(path.stem, points[0], source=source, max_gap=_gap(recognised, words))
    try:
        for point in points:
            text = with_point(text, point)
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from error
    _replace(path, text)


def new_point(verdict: Verdict, function: int) -> NewPoint:
    """Return the point to write for a reading."""
    match = verdict.match
    shown = f"{match.shown.value:.{match.shown.decimals}f}"
    unit = "" if match.shown.unit in _NO_UNIT else f" {match.shown.unit}"
    return NewPoint(
        name=match.shown.name,
        function=function,
        address=match.reading.address,
        unit=match.shown.unit,
        keys=match.reading.keys,
        note=f"display: {shown}{unit}",
    )


def _gap(recognised: Sequence[Verdict], words: Mapping[int, int]) -> int:
    """Return the longest stretch between points that the device let be read."""
    readings = sorted((verdict.match.reading for verdict in recognised), key=lambda reading: reading.address)
    gaps = [
        following.address - before.end
        for before, following in pairwise(readings)
        if all(at in words for at in range(before.end, following.address))
    ]
    return max([0, *(gap for gap in gaps if gap <= _LONGEST_GAP)])


def _check(path: Path) -> None:
    try:
        load_profile(str(path))
    except ProfileError as error:
        raise CommandError(str(error)) from error


def _replace(path: Path, text: str) -> None:
    """Put a text in place of a file, once it is seen to load."""
    draft = path.with_name(f".{path.stem}.draft.toml")
    try:
        draft.write_text(text, encoding="utf-8")
        try:
            _check(draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror}): give --profile another file") from error
