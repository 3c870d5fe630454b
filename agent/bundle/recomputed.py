"""Records made again from captures, with the documents that were kept along with them and no others."""

import hashlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from agent.audit.chain_report import ChainReport
from agent.bundle.form import BundleError
from agent.bundle.gather import CAPTURES
from agent.bundle.inspect import Inspection
from agent.bundle.materials import kept_for
from agent.carbon.errors import FactorFileError
from agent.config import ConfigError
from agent.config.load import load_config
from agent.counted import counted
from agent.replay.order import in_order
from agent.replay.published import Published
from agent.replay.site import Site
from agent.replay.verify import Item, Verifier
from agent.tape.notes import Books, TapeError
from drivers.capture import CaptureError, read_capture

Body = dict[str, Any]
_UNTOLD = (
    "no capture tells of them (the last interval of an hour is closed in the next file, so it takes that one, too)"
)


@dataclass(slots=True)
class Recomputed:
    """What came of it, for the interval records of the period."""

    same: int = 0
    other: str = ""
    """The first record that comes out otherwise, and where."""
    differing: int = 0
    without: int = 0
    """Records that captures do not tell enough of."""
    span: tuple[str, str] = ("", "")
    """Start of the first and end of the last of those."""
    why: list[str] = field(default_factory=list)
    exchanges: int = 0

    def lacks(self, body: Body) -> None:
        """Note a record that captures do not tell enough of."""
        start, end = str(body.get("start")), str(body.get("end"))
        self.span = (min(self.span[0], start), max(self.span[1], end)) if self.without else (start, end)
        self.without += 1

    @property
    def lacking(self) -> str:
        """Which records captures do not tell enough of, and why."""
        first, last = (moment.replace(".000000Z", "Z") for moment in self.span)
        why = "; ".join(dict.fromkeys(self.why)) or _UNTOLD
        return f"the first starts at {first}, the last ends at {last}: {why}"


class Shelf:
    """Configurations by what books say of them, made of documents in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sites: dict[tuple[object, ...], Site | None] = {}
        self.lacking: list[str] = []

    def site_of(self, books: Books) -> Site | None:
        """Return the configuration that books were kept with, None when its documents are not all there."""
        key = (books.configuration, *sorted(books.profiles.items()), *sorted(books.factors.items()))
        if key not in self._sites:
            self._sites[key] = self._load(books)
        return self._sites[key]

    def _load(self, books: Books) -> Site | None:
        found = kept_for(self._folder, books.configuration, books.profiles, books.factors)
        if found is None:
            self.lacking.append(f"documents of configuration {books.configuration[:19]}… are not at hand")
            return None
        path, kept = found
        try:
            return Site(load_config(path, kept), kept=kept)
        except (ConfigError, FactorFileError) as error:
            self.lacking.append(f"configuration {books.configuration[:19]}…: {error.problems[0]}")
            return None


def recompute(
    items: Iterable[Item], records: Iterable[Body], documents: Path, work: Path, chain: ChainReport
) -> Recomputed:
    """Play captures and hold interval `records` against what comes out; raise BundleError.

    `documents` is a folder of documents by the hex of their SHA-256, `work` an empty one; `chain` tells which
    records are lost.
    """
    shelf, remade = Shelf(documents), work / "intervals.jsonl"
    try:
        with Published(remade) as published:
            verifier = Verifier(shelf.site_of, published)
            report = verifier.play(items)
    except (CaptureError, TapeError) as error:
        raise BundleError(f"{error}") from error
    found = Recomputed(exchanges=report.exchanges, why=[*shelf.lacking, *report.remarks])
    found.why += [f"{counted(count, 'interval', 'intervals')}: {why}" for why, count in report.unknown.items()]
    if report.first:
        found.other = str(report.first)
    made, lost = dict(_made(remade)), list[int]()
    for body in records:
        seq, epoch, digest = made.get(_place(body), (0, "", ""))
        if not digest:
            found.lacks(body)
        elif digest == body["hash"]:
            found.same += 1
        elif (seq != body["seq"] and any(first <= seq <= last for first, last in chain.gaps)) or (
            epoch != body.get("epoch") and chain.forgotten
        ):
            # The captures outlive an older copy of the store that is put back, and the interval is recorded anew.
            found.lacks(body)
            lost.append(seq)
        else:
            found.differing += 1
            found.other = found.other or _otherwise(body)
    if lost:
        others = f" (so with {len(lost) - 1:,} more)" if len(lost) > 1 else ""
        found.why.append(f"the captures tell of record {lost[0]}, which was lost with the store{others}")
    return found


def _otherwise(body: Body) -> str:
    return f"{body['account']} {body['start']}, number {body['seq']}: the captures lead to another record"


def captured(inspection: Inspection, work: Path) -> Iterator[Item]:
    """Yield what stands in the captures of a bundle, in the order in which they were written."""
    with ExitStack() as stack:
        paths = []
        for path in sorted(inspection.places):
            if path.startswith(CAPTURES):
                target = work / path.removeprefix(CAPTURES)
                with inspection.open(path) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                stack.callback(target.unlink, missing_ok=True)
                paths.append(target)
        yield from read_capture(in_order(paths))


def _made(path: Path) -> Iterator[tuple[bytes, tuple[int, str, str]]]:
    with path.open("rb") as file:
        for line in file:
            body = orjson.loads(line)
            yield _place(body), (int(body.get("seq", 0)), sys.intern(str(body.get("epoch"))), str(body["hash"]))


def _place(body: Body) -> bytes:
    """Return what an interval record is known by, in few bytes: there may be a million."""
    place = " ".join(str(body.get(key)) for key in ("account", "start", "revision"))
    return hashlib.blake2b(place.encode(), digest_size=16).digest()
