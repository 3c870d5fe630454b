"""What goes into a bundle: records, captures and documents of a period, found where the agent keeps them."""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import __version__
from agent.audit.documents import Documents
from agent.audit.evidence import of_configuration
from agent.audit.public_key import public_text
from agent.bundle.form import BundleError, Manifest
from agent.bundle.materials import ground_of, in_force
from agent.bundle.page import PAGES, page
from agent.bundle.places import CapturePlaces, capture_places, sha256_of
from agent.bundle.segment import segment_of
from agent.bundle.summary import summarise
from agent.bundle.write import Content, explained, refuse_existing, unwritable, write_bundle
from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S
from agent.record import ROLLUP, rfc3339, time_ns
from agent.store import read_chained, read_intervals
from drivers.value import frozen

Body = dict[str, Any]
RECORDS, ROLLUPS, SUMMARY = "records/records.jsonl", "records/rollups.jsonl", "summary.json"
DOCUMENTS, CAPTURES = "documents/", "captures/"
_LATE_NS = 900 * NS_PER_S
"""So long after the end of a period its last intervals are closed, and noted in captures."""
_DAY_NS = 86400 * NS_PER_S
"""So much of the roll-ups is held in memory at once."""


@frozen
class Wanted:
    """A period [start_ns, end_ns) (Unix, ns) and the file it goes to, made at a time."""

    start_ns: int
    end_ns: int
    target: Path
    now_ns: int
    moved: Sequence[Path] = ()
    """Folders that captures were moved to, besides those that configurations name."""


def bundle(config: SiteConfig, documents: Documents, key: Ed25519PrivateKey, wanted: Wanted) -> tuple[Manifest, Body]:
    """Write the bundle of a period; return its manifest and summary. Raises BundleError or StoreError in one line."""
    refuse_existing(wanted.target)
    with ExitStack() as stack:
        try:
            spool, sums = (stack.enter_context(tempfile.TemporaryFile(dir=wanted.target.parent)) for _ in range(2))
        except OSError as error:
            raise BundleError(unwritable(wanted.target, error)) from error
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return _bundle(config, documents, key, wanted, _Places(spool, sums, folder))
        except OSError as error:
            raise BundleError(explained(wanted.target, error)) from error


@frozen
class _Places:
    records: BinaryIO
    rollups: BinaryIO
    documents: Path


def _bundle(
    config: SiteConfig, documents: Documents, key: Ed25519PrivateKey, wanted: Wanted, places: _Places
) -> tuple[Manifest, Body]:
    store = config.resolve(config.store.path)
    chain = ((record.seq, orjson.loads(record.payload)) for record in read_chained(store))
    segment = segment_of(chain, wanted.start_ns, wanted.end_ns)
    evidence = list(_copy_records(store, segment.first, segment.last, places.records))
    listed, missing, today = _collect(config, documents, evidence, wanted, places.documents)
    for start_ns in range(wanted.start_ns, wanted.end_ns, _DAY_NS):
        for record in read_intervals(store, start_ns, min(start_ns + _DAY_NS, wanted.end_ns), kind=ROLLUP):
            places.rollups.write(record.payload + b"\n")
    captured = capture_places(config, evidence, documents, wanted.moved).files()
    found = _named(_of_period(config, captured, wanted))
    captures = [_capture(name, path) for name, path in found.items()]
    head = {
        "site": config.site.name,
        "from": rfc3339(wanted.start_ns),
        "to": rfc3339(wanted.end_ns),
        "created": rfc3339(wanted.now_ns),
        "software": __version__,
        "file": wanted.target.name,
        "documents": listed,
        "missing": missing,
        **({"documents_of_today": True} if today else {}),
    }
    ground = ground_of(listed, places.documents)
    summary = summarise(wanted.start_ns, wanted.end_ns, lambda: _again(places.records), ground, captures)
    told = {**head, "public_key": public_text(key.public_key())}
    contents: dict[str, Content] = {path: page(summary, told, language) for path, language in PAGES.items()}
    contents |= {SUMMARY: orjson.dumps(summary, option=orjson.OPT_INDENT_2), RECORDS: places.records}
    contents |= {ROLLUPS: places.rollups}
    contents |= {f"{DOCUMENTS}{each}": places.documents / each for each in sorted({one["sha256"] for one in listed})}
    contents |= {f"{CAPTURES}{name}": path for name, path in found.items()}
    return write_bundle(wanted.target, contents, head, key), summary


def whole_intervals(store: Path, start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return a period rounded outwards to the intervals that were recorded (Unix, ns), so that none is cut."""
    first_ns, last_ns = start_ns, end_ns
    for at_ns in (start_ns, end_ns):
        for record in read_intervals(store, at_ns - _DAY_NS, at_ns):
            body = orjson.loads(record.payload)
            begin_ns, done_ns = time_ns(body["start"]), time_ns(body["end"])
            if begin_ns < at_ns < done_ns:
                first_ns, last_ns = min(first_ns, begin_ns), max(last_ns, done_ns if at_ns == end_ns else last_ns)
    return first_ns, last_ns


def _copy_records(store: Path, first: int, last: int, spool: BinaryIO) -> Iterator[Body]:
    """Copy the records of a segment as they were published; yield those of evidence."""
    for record in read_chained(store, first - 1):
        if record.seq > last:
            return
        spool.write(record.payload + b"\n")
        if record.kind == "evidence":
            yield orjson.loads(record.payload)


def _again(file: BinaryIO) -> Iterator[Body]:
    file.seek(0)
    return lines(file)


def lines(file: BinaryIO) -> Iterator[Body]:
    """Yield the records of a file from where it stands, decoded."""
    for line in file:
        yield orjson.loads(line)


def _collect(
    config: SiteConfig, documents: Documents, evidence: list[Body], wanted: Wanted, folder: Path
) -> tuple[list[Body], list[Body], bool]:
    """Put documents into a folder; return those there, those that are not, and whether today's stand in."""
    before = [each for each in evidence if each["time"] < rfc3339(wanted.end_ns)]
    there: list[Body] = []
    missing: list[Body] = []
    for each in in_force(before):
        content = documents.find(f"sha256:{each['sha256']}")
        (missing if content is None else there).append(each)
        if content is not None:
            (folder / each["sha256"]).write_bytes(content)
    used = [each for each in there if each.get("used")]
    if any(each.get("used") for each in missing) or not any(each["what"] == "configuration" for each in used):
        there = [{key: value for key, value in each.items() if key != "used"} for each in there]
        return [*there, *_of_today(config, folder)], missing, True
    return there, missing, False


def _of_today(config: SiteConfig, folder: Path) -> Iterator[Body]:
    for item in of_configuration(config, config.library):
        if item.content is not None:
            sha256 = hashlib.sha256(item.content).hexdigest()
            (folder / sha256).write_bytes(item.content)
            yield {"what": item.what, "name": item.name, "sha256": sha256, "used": True}


def _of_period(config: SiteConfig, files: Iterable[Path], wanted: Wanted) -> list[Path]:
    """Return the closed capture files that may hold something of a period: each ends where the next begins."""
    begun = _begun(config, files, r"\.pcapng\.zst")
    begins = sorted({*begun.values()})
    ends = dict(zip(begins, [*begins[1:], 1 << 63], strict=False))  # no file, no end
    late_ns = wanted.end_ns + _LATE_NS
    return [path for path, begin in begun.items() if begin < late_ns and ends[begin] >= wanted.start_ns]


def _named(files: Iterable[Path]) -> dict[str, Path]:
    """Return files by the names they have in a bundle: others of a name, from another folder, are numbered."""
    found: dict[str, Path] = {}
    for path in files:
        stem, _, rest = path.name.partition(".")
        names = (path.name, *(f"{stem}_{number}.{rest}" for number in range(100, 1 << 20)))
        found[next(name for name in names if name not in found)] = path
    return found


def unfinished(config: SiteConfig, end_ns: int) -> list[str]:
    """Return the names of capture files begun before a time that are still being written: no bundle has those."""
    files = CapturePlaces([config.capture_folder]).files()
    return [path.name for path, begin in _begun(config, files, r"\.pcapng").items() if begin < end_ns]


def _begun(config: SiteConfig, files: Iterable[Path], suffix: str) -> dict[Path, int]:
    """Return the site's capture files of a kind, and when each began."""
    ours = re.compile(rf"{re.escape(config.site.name)}-(\d{{8}}T\d{{6}})Z(_\d+)?{suffix}")
    return {path: _begin_ns(found[1]) for path in files if (found := ours.fullmatch(path.name))}


def _begin_ns(text: str) -> int:
    return round(datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()) * NS_PER_S


def _capture(name: str, path: Path) -> Body:
    digest = sha256_of(path).removeprefix("sha256:")
    return {"name": name, "size": path.stat().st_size, "sha256": digest}


def captures_of(members: Mapping[str, tuple[int, str]]) -> list[Body]:
    """Return the captures of a bundle as its summary lists them, from size and SHA-256 of each member by path."""
    return [
        {"name": path.removeprefix(CAPTURES), "size": size, "sha256": sha256}
        for path, (size, sha256) in members.items()
        if path.startswith(CAPTURES)
    ]
