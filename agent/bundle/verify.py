"""A bundle verified with nothing but itself, and what the one who asks has from elsewhere: a key, or seals."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent import __version__
from agent.audit.chain_report import ChainReport
from agent.audit.finding import share_of, spelled
from agent.audit.stamps import Stamps
from agent.audit.trusted import Trusted
from agent.audit.verify import NOTHING, verify_chain
from agent.bundle.form import NONSENSE, BundleError, Manifest
from agent.bundle.gather import DOCUMENTS, RECORDS, SUMMARY, captures_of, lines
from agent.bundle.inspect import Inspection, inspect
from agent.bundle.materials import ground_of
from agent.bundle.page import PAGES, page
from agent.bundle.recomputed import Recomputed, captured, recompute
from agent.bundle.rollups import judge_rollups
from agent.bundle.stamped import judge_stamps
from agent.bundle.summary import period_ns, summarise
from agent.bundle.tally import Tally
from agent.bundle.verdict import Verdict
from agent.counted import counted
from agent.replay.verdict import first_difference

Body = dict[str, Any]
ARCHIVE, KEY, CHAIN, SEALS = "archive", "key", "chain", "seals"
_HEAD = ("site", "from", "to", "created", "software", "file", "documents", "missing")
FIGURES, PAGE, READINGS = "figures", "page", "recomputation"
_MOST = 20
"""Findings of one kind that are told."""
_LONGEST_RECORD = 16 << 20
"""Bytes; a longer line of a forged file is taken for several."""
_LARGEST_OWN = 256 << 20


def verify(path: Path, trusted: Trusted = NOTHING) -> Verdict:
    """Return the verdict about a bundle, held against what is `trusted`.

    Raises BundleError when the file cannot be read or the seals are of another site, OSError without room.
    """
    verdict, inspection = Verdict(), inspect(path)
    manifest = inspection.manifest
    for finding in inspection.findings:
        verdict.fails(ARCHIVE, str(finding))
    if inspection.findings or manifest is None:
        verdict.unchecked(CHAIN, "the archive is not as it was written and signed, so nothing further was looked at")
        return verdict
    lacking = [name for name in _HEAD if name not in manifest.head]
    lacking += [each for each in (RECORDS, SUMMARY, *PAGES) if each not in inspection.places]
    if lacking:
        verdict.fails(ARCHIVE, f"manifest.json: lacks {', '.join(lacking)}")
        return verdict
    verdict.holds(ARCHIVE, f"{len(manifest.members)} files are as they were signed, and there are no others")
    with contextlib.suppress(*NONSENSE, OSError):  # of a forged one the times are shown in UTC
        verdict.zone = ZoneInfo(orjson.loads(_own(inspection, SUMMARY))["timezone"])
    stamps = Stamps()
    report = verify_chain(_payloads(inspection), trusted, part=True, on_record=stamps.take)
    if report.foreign:
        raise BundleError(f"the seals given are {report.foreign}: give those of the same site")
    _judge_key(verdict, manifest.head, report, trusted)
    _judge_chain(verdict, report)
    _judge_seals(verdict, report, trusted)
    judge_stamps(verdict, stamps, report, trusted)
    if any(finding.line for finding in report.findings):
        verdict.unchecked(FIGURES, "the records do not hold together")
        return verdict
    with tempfile.TemporaryDirectory() as work:
        documents = Path(work) / "documents"
        documents.mkdir()
        _unpack_documents(verdict, inspection, documents)
        _judge_figures(verdict, inspection, manifest, documents)
        judge_rollups(verdict, inspection, documents, Path(work))
        _judge_readings(verdict, inspection, report, documents, Path(work))
    return verdict


def _payloads(inspection: Inspection) -> Iterator[bytes]:
    with inspection.open(RECORDS) as file:
        while line := file.readline(_LONGEST_RECORD):
            yield line.removesuffix(b"\n")


def _records(inspection: Inspection) -> Iterator[Body]:
    with inspection.open(RECORDS) as file:
        yield from lines(file)


def _judge_key(verdict: Verdict, head: Mapping[str, Any], report: ChainReport, trusted: Trusted) -> None:
    key, known = str(head["public_key"]), trusted.keys_of(head["site"])
    verdict.signed([key], trusted)
    if key in trusted.keys:
        verdict.held_against.append("the key")
        verdict.holds(KEY, f"signed with the key that you gave, {key}")
    elif trusted.keys:
        given = ", ".join(trusted.keys)
        verdict.fails(KEY, f"public-key.pem: signed with {key}, not with the key that you gave, {given}")
    elif known and key not in known:
        verdict.fails(KEY, f"public-key.pem: signed with {key}, the seals received with {min(known)}")
    elif known:
        verdict.holds(KEY, f"signed with the key of the seals that you gave, {key}")
        verdict.held_against += [] if report.confirmed else ["the key of the seals"]
    else:
        verdict.unchecked(KEY, f"whose key it is: compare {key} with the operator's from elsewhere, or give --key")
    if report.keys and key not in report.keys:
        verdict.fails(KEY, f"public-key.pem: the archive is signed with {key}, the seals in it with {report.keys[-1]}")


def _judge_chain(verdict: Verdict, report: ChainReport) -> None:
    for finding in report.findings[:_MOST]:
        place = f"{RECORDS}, line {finding.line}, " if finding.line else ""
        verdict.fails(CHAIN if finding.line else SEALS, f"{place}{finding}")
    for remark in report.remarks:
        verdict.unchecked(CHAIN, remark)
    if report.findings:
        return
    records = counted(report.records, "record", "records")
    verdict.holds(CHAIN, f"{records}, each with its own hash and that of the one before")
    if report.sealed:
        signed = counted(report.seals, "seal is signed; it is", "seals are signed; they are")
        verdict.holds(SEALS, f"{signed} over the records up to {report.sealed.seq}")
        if report.unsealed > 1:
            rest = f"{report.unsealed - 1:,}"  # the last seal itself is under none, ever
            verdict.unchecked(SEALS, f"records under no seal of this bundle: {rest}; its own signature covers them")
    else:
        verdict.unchecked(SEALS, "there is no seal in the bundle: its own signature alone covers the records")


def _judge_seals(verdict: Verdict, report: ChainReport, trusted: Trusted) -> None:
    if trusted.seals is None:
        text = "whether the seals are those the centre received: without --seals, all could have been made anew"
        verdict.unchecked(SEALS, f"{text} by whoever has the key" if trusted.keys else text)
    elif report.vouched and not report.findings:
        text = f"{share_of(report.confirmed, report.seals, 'seal is', 'seals are')} the same as those received"
        verdict.held_against.append("the seals")
        verdict.holds(SEALS, f"{text}: nothing was rewritten up to record {report.vouched.seq}")
        if report.elsewhere:
            verdict.note(SEALS, f"seals that you gave of the chain before or behind this bundle: {report.elsewhere}")
        if report.sealed and report.last and report.sealed.seq > report.vouched.seq:
            span = spelled(report.vouched.seq + 1, report.last.seq, "is", "are")
            text = f"{span} under no seal that was received"
            verdict.unchecked(SEALS, f"{text}: whoever has the key could have made them anew")
    elif not report.confirmed:
        verdict.unchecked(SEALS, "none of the seals received is in this part of the chain")


def _unpack_documents(verdict: Verdict, inspection: Inspection, folder: Path) -> None:
    for path in inspection.places:
        if path.startswith(DOCUMENTS):
            with inspection.open(path) as source, (folder / path.removeprefix(DOCUMENTS)).open("wb") as target:
                shutil.copyfileobj(source, target)
    manifest = inspection.manifest
    for member in manifest.members if manifest else ():
        if member.path.startswith(DOCUMENTS) and member.path != f"{DOCUMENTS}{member.sha256}":
            verdict.fails(ARCHIVE, f"{member.path}: is not the document of this SHA-256")


def _judge_figures(verdict: Verdict, inspection: Inspection, manifest: Manifest, documents: Path) -> None:
    head = manifest.head
    try:
        ground = ground_of(head["documents"], documents)
        captures = captures_of({each.path: (each.size, each.sha256) for each in manifest.members})
        found = summarise(*period_ns(head), lambda: _records(inspection), ground, captures)
    except BundleError as error:
        verdict.unchecked(FIGURES, f"{error}")
        return
    except NONSENSE as error:
        verdict.fails(FIGURES, f"{RECORDS}: cannot be added up ({type(error).__name__}: {error})")
        return
    worked_out = orjson.loads(orjson.dumps(found))
    try:
        told = orjson.loads(_own(inspection, SUMMARY))
        difference = first_difference(told, worked_out) if isinstance(told, dict) else ("", told, worked_out)
    except (ValueError, RecursionError):
        verdict.fails(FIGURES, f"{SUMMARY}: is no JSON as it is written here")
        return
    if difference and head["software"] != __version__:
        # Another version may tell of more or of less; whoever forges figures may claim to be one.
        difference = first_difference(_in_both(told, worked_out), _in_both(worked_out, told))
        verdict.unchecked(FIGURES, f"{SUMMARY}: was written by version {head['software']}, this is {__version__}")
    if difference:
        place, said, right = difference
        shown = [orjson.dumps(each).decode()[:200] for each in (said, right)]
        verdict.fails(FIGURES, f"{SUMMARY}, {place}: says {shown[0]}, the records come to {shown[1]}")
        return
    accounts = counted(len(worked_out["accounts"]), "account", "accounts")
    verdict.holds(FIGURES, f"totals, quality and factors of {accounts} follow from the records")
    _judge_pages(verdict, inspection, told, head)


def _in_both(one: Any, other: Any) -> Any:
    """Return of `one` what `other` has a word for, too."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _in_both(value, other[key]) for key, value in one.items() if key in other}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_in_both(*pair) for pair in zip(one, other, strict=True)]
    return one


def _own(inspection: Inspection, path: str) -> bytes:
    """Return a member that this program writes, no more of it than it would write."""
    with inspection.open(path) as file:
        return file.read(_LARGEST_OWN)


def _judge_pages(verdict: Verdict, inspection: Inspection, summary: Body, head: Mapping[str, Any]) -> None:
    plain = {key: value for key, value in head.items() if key != "schema"}
    for path, language in PAGES.items():
        with contextlib.suppress(*NONSENSE):  # what makes no page is of another version, or forged
            if _own(inspection, path) == page(summary, plain, language):
                continue
        if head["software"] == __version__:
            verdict.fails(PAGE, f"{path}: is not the page that follows from the figures")
        else:
            text = f"{path}: may say anything: it was written by version {head['software']}, this is {__version__}"
            verdict.unchecked(PAGE, f"{text}; go by {SUMMARY}, or verify with that version")
        return
    verdict.holds(PAGE, "both pages show these figures and nothing else")


def _judge_readings(verdict: Verdict, inspection: Inspection, report: ChainReport, documents: Path, work: Path) -> None:
    manifest = inspection.manifest
    if manifest is None or not any(path.startswith("captures/") for path in inspection.places):
        verdict.unchecked(READINGS, _without_captures(manifest, documents))
        return
    tally = Tally(*period_ns(manifest.head))
    try:
        records = (body for body in _records(inspection) if tally.within(body))
        found = recompute(captured(inspection, work), records, documents, work, report)
    except BundleError as error:
        verdict.fails(READINGS, f"captures: {error}")
        return
    _say(verdict, found)


def _without_captures(manifest: Manifest | None, documents: Path) -> str:
    """Return why nothing can be recomputed, as far as the bundle tells."""
    with contextlib.suppress(BundleError, *NONSENSE):
        if manifest and ground_of(manifest.head["documents"], documents).config.capture.mode == "off":
            turned_on = 'the operator turns it on with mode = "full" below [capture]'
            return f"no capturing was configured at the gateway, so there are no raw exchanges: {turned_on}"
    return "there are no raw exchanges in the bundle"


def _say(verdict: Verdict, found: Recomputed) -> None:
    whole = found.same + found.differing + found.without
    if found.other:
        verdict.fails(READINGS, found.other)
    if found.same:
        which = share_of(found.same, whole, "record of the period follows", "records of the period follow")
        verdict.holds(READINGS, f"{which} bit for bit from {counted(found.exchanges, 'exchange', 'exchanges')}")
    if found.without:
        lacking = counted(found.without, "record of the period", "records of the period")
        verdict.unchecked(READINGS, f"{lacking}: {found.lacking}")
