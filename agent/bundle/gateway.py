"""The records of a gateway verified where they lie: its store, its documents, its captures."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.audit.auditor import audit_folder
from agent.audit.chain_report import ChainReport
from agent.audit.documents import Documents
from agent.audit.finding import Finding, share_of
from agent.audit.stamps import Stamps
from agent.audit.trusted import Trusted
from agent.audit.verify import Chain, decoded, kind_of, time_of
from agent.bundle.form import BundleError
from agent.bundle.places import CapturePlaces, capture_places, turned_on
from agent.bundle.recomputed import Recomputed, recompute
from agent.bundle.rollups import judge_rollups_of_store
from agent.bundle.stamped import judge_stamps
from agent.bundle.verdict import Verdict
from agent.config import SiteConfig
from agent.counted import counted
from agent.record import EVIDENCE, INTERVAL, Record
from agent.replay.order import in_order
from agent.store import GENESIS, read_chained, read_head
from drivers.capture import CaptureError, read_capture

Body = Mapping[str, Any]
CHAIN, SEALS, OUTSIDE, DOCUMENTS, CAPTURES, READINGS = (
    "chain",
    "seals",
    "from outside",
    "documents",
    "captures",
    "recomputation",
)
_MOST = 20
"""Findings of one kind that are told."""
_TRIES = 5


def verify_gateway(config: SiteConfig, trusted: Trusted, moved: Sequence[Path] = ()) -> Verdict:
    """Return the verdict about all records of a configuration's store.

    `moved` are folders that captures were moved to, besides those that configurations name.
    Raises StoreError when there is none to read, BundleError when the seals that are trusted are of another site,
    OSError without room for what is made again.
    """
    verdict, evidence, damaged, days = Verdict(), list[Body](), list[int](), set[str]()
    store = config.resolve(config.store.path)
    chain, stamps = Chain(trusted), Stamps()
    head = read_head(store)
    whole = head == GENESIS
    for record in read_chained(store, on_damaged=damaged.append):
        body = chain.take(record.payload)
        if body is not None:
            stamps.take(body)
            if kind_of(body) == EVIDENCE:
                evidence.append(body)
            elif kind_of(body) == INTERVAL:
                days.add(time_of(body).partition("T")[0])
        whole = whole or (body is not None and body["hash"] == head)
    report = chain.end()
    if report.foreign:
        raise BundleError(f"the seals given are {report.foreign}: give those of the same site")
    if not whole and not damaged and not report.findings:
        last = f"record {report.last.seq}" if report.last else "the chain"
        what = "is the last that is here, but not the last that the store has on its books: some were taken away"
        report.findings.append(Finding(last, what))
    report.findings[:0] = [Finding(f"record {seq}", "is damaged in the store's file") for seq in damaged]
    verdict.zone = config.site.zone
    _judge_chain(verdict, report)
    _judge_outside(verdict, report, trusted)
    judge_stamps(verdict, stamps, report, trusted)
    documents = Documents(audit_folder(config) / "documents")
    _judge_documents(verdict, evidence, documents)
    places = capture_places(config, evidence, documents, moved)
    _judge_captures(verdict, [*evidence, *_meanwhile(store, report)], places)
    judge_rollups_of_store(verdict, store, evidence, documents.folder, report, days)
    if config.capture.mode == "off" and not places.recorded and not places.files():
        verdict.unchecked(READINGS, f"no capturing is configured, so there are no raw exchanges: {turned_on(config)}")
    else:
        _judge_readings(verdict, store, places, documents.folder, report)
    return verdict


def _judge_chain(verdict: Verdict, report: ChainReport) -> None:
    for finding in report.findings[:_MOST]:
        verdict.fails(CHAIN, str(finding))
    if len(report.findings) > _MOST:
        verdict.fails(CHAIN, f"and {len(report.findings) - _MOST} more")
    for remark in report.remarks:
        verdict.unchecked(CHAIN, remark)
    if report.first is None or report.last is None:
        verdict.unchecked(CHAIN, "there is no record of the chain in the store yet")
        return
    records = counted(report.records, "record", "records")
    if not report.findings:
        span = f"{report.first.seq} (of {report.first.time}) to {report.last.seq} (of {report.last.time})"
        hashed = f"{records}, each with its own hash and that of the one before"
        verdict.holds(CHAIN, f"{hashed}: {span}; an interval is dated by its end")
    if not report.from_the_beginning:
        verdict.unchecked(CHAIN, f"what was before record {report.first.seq}: it is not in the store any more")
    if report.sealed is None:
        verdict.unchecked(SEALS, "there is no seal yet")
        return
    if not report.findings:
        keys = ", ".join(report.keys)
        whose = counted(report.seals, f"seal by {keys} covers", f"seals by {keys} cover")
        verdict.holds(SEALS, f"{whose} every record up to {report.sealed.seq}, sealed {report.sealed.time}")
    if report.unsealed > 1:
        verdict.unchecked(SEALS, f"the last {report.unsealed} records are under no seal yet")


def _judge_outside(verdict: Verdict, report: ChainReport, trusted: Trusted) -> None:
    verdict.signed(report.keys, trusted)
    if trusted.keys and report.keys and not report.findings:
        verdict.held_against.append("the key")
        verdict.holds(OUTSIDE, "the seals are by the key that you gave")
    if report.vouched:
        seals = f"{share_of(report.confirmed, report.seals, 'seal is', 'seals are')} the same as those received outside"
        moment = f"record {report.vouched.seq}, sealed {report.vouched.time}"
        if not report.findings:
            verdict.held_against.append("the seals")
            verdict.holds(OUTSIDE, f"{seals}: nothing was rewritten up to {moment}")
            if report.elsewhere:
                verdict.note(OUTSIDE, f"seals that you gave from before the first record here: {report.elsewhere}")
            if report.sealed and report.sealed.seq > report.vouched.seq:
                text = f"what came later, to record {report.sealed.seq}, is under no seal that was received outside"
                verdict.unchecked(OUTSIDE, f"{text}: whoever has the key could have made it anew")
    elif trusted.seals is not None:
        verdict.unchecked(OUTSIDE, "none of the seals received outside is among those here")
    elif trusted.seals is None:
        verdict.unchecked(
            OUTSIDE,
            "whether all of it was made anew: whoever rules this machine has its key as well. "
            "Give --seals with what was received elsewhere",
        )


def _judge_documents(verdict: Verdict, evidence: Sequence[Body], documents: Documents) -> None:
    named = {str(each["digest"]): each for each in evidence if "digest" in each and each.get("what") != "capture"}
    kept = 0
    for digest, each in named.items():
        what = f"{each.get('what')} {each.get('name')} ({digest})"
        try:
            found = documents.find(digest)
            there = documents.path(digest).exists()
        except (OSError, ValueError) as error:
            verdict.fails(DOCUMENTS, f"{what}: cannot be read ({error})")
            continue
        if found is not None:
            kept += 1
        elif there:
            verdict.fails(DOCUMENTS, f"{documents.path(digest)}: is not the {what} that it was")
        elif "size" in each:
            verdict.fails(DOCUMENTS, f"{what}: is not in {documents.folder} any more")
        else:
            verdict.unchecked(DOCUMENTS, f"{what}: had changed already when the agent came to keep it")
    if kept:
        verdict.holds(DOCUMENTS, f"as the records name them: {counted(kept, 'document', 'documents')}")


def _meanwhile(store: Path, report: ChainReport) -> Iterator[Body]:
    """Yield the removals of capture files that a running agent has recorded since its records were read."""
    for record in read_chained(store, report.last.seq if report.last else 0):
        body = decoded(record.payload)
        if body is not None and body.get("what") == "capture_removed":
            yield body


def _judge_captures(verdict: Verdict, evidence: Sequence[Body], places: CapturePlaces) -> None:
    removed = {str(each.get("name")) for each in evidence if each.get("what") == "capture_removed"}
    missing, named = list[str](), 0
    for each in evidence:
        name = Path(str(each.get("name"))).name
        if each.get("what") != "capture" or name in removed:
            continue
        named += 1
        try:
            path, right = places.find(name, each.get("digest"))
        except OSError as error:
            verdict.fails(CAPTURES, f"{error.filename or name}: cannot be read ({error.strerror})")
            continue
        if path is None:
            missing.append(name)
        elif not right:
            verdict.fails(CAPTURES, f"{path}: is not the file that was closed: its SHA-256 is another")
    if missing:
        verdict.fails(CAPTURES, _missing(missing, places))
    if places.sound:
        verdict.holds(
            CAPTURES, f"raw exchanges as they were closed: {share_of(len(places.sound), named, 'file', 'files')}"
        )
    if removed:
        files = counted(len(removed), "file was", "files were")
        verdict.unchecked(CAPTURES, f"{files} removed to make room, as the records say")


def _missing(names: Sequence[str], places: CapturePlaces) -> str:
    is_or_are = "is" if len(names) == 2 else "are"  # noqa: PLR2004 -- the one that is named, and another
    others = f", nor {is_or_are} {len(names) - 1:,} more" if len(names) > 1 else ""
    what = f"{names[0]} is not there{others}, and no record says that it was removed"
    return f"{what}. Looked for in {places}: if they were moved elsewhere, name that folder with --captures"


def _judge_readings(
    verdict: Verdict, store: Path, places: CapturePlaces, documents: Path, report: ChainReport, *, tries: int = _TRIES
) -> None:
    files = places.files()
    if not files or not documents.is_dir():
        lacking = f"raw exchanges in {places}" if not files else f"documents in {documents}, by which to go"
        verdict.unchecked(READINGS, f"there are no {lacking}")
        return
    intervals = (body for record in read_chained(store) if (body := _interval(record)))
    with tempfile.TemporaryDirectory() as work:
        try:
            found = recompute(read_capture(in_order(files)), intervals, documents, Path(work), report)
        except (BundleError, CaptureError) as error:
            if tries and not all(file.exists() for file in files):  # a running agent compresses, and makes room
                _judge_readings(verdict, store, places, documents, report, tries=tries - 1)
            else:
                verdict.fails(READINGS, str(error))
            return
    _say(verdict, READINGS, found)


def _say(verdict: Verdict, name: str, found: Recomputed) -> None:
    """Say what came of making records again."""
    if found.other:
        verdict.fails(name, found.other)
    if found.same:
        whole = found.same + found.differing + found.without
        which = share_of(found.same, whole, "interval follows", "intervals follow")
        verdict.holds(name, f"{which} bit for bit from {counted(found.exchanges, 'exchange', 'exchanges')}")
    if found.without:
        verdict.unchecked(name, f"{counted(found.without, 'interval', 'intervals')}: {found.lacking}")


def _interval(record: Record) -> dict[str, Any] | None:
    """Return an interval record, None for any other, and for what is none: the chain tells of that."""
    body = decoded(record.payload) if record.kind == INTERVAL else None
    return dict(body) if body and {"account", "start", "revision"} <= body.keys() else None
