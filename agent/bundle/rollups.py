"""Roll-ups of a bundle, or of a gateway's own store, in the words of a verdict."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from agent import __version__
from agent.audit.chain_report import ChainReport
from agent.books.ledger import Ledger
from agent.bundle.form import NONSENSE, BundleError, Head
from agent.bundle.gather import RECORDS, ROLLUPS
from agent.bundle.inspect import Inspection
from agent.bundle.materials import ground_of
from agent.bundle.materials import in_force as documents_in_force
from agent.bundle.rolled_up import RolledUp, RollupCheck, by_start, in_force
from agent.bundle.summary import period_ns
from agent.bundle.tally import Tally
from agent.bundle.verdict import Verdict
from agent.metering.amount import NS_PER_S
from agent.record import INTERVAL, ROLLUP, time_ns
from agent.rollup.members import Members
from agent.store import read_intervals

Body = Mapping[str, Any]
SUMS = "roll-ups"
_MOST = 20
"""Findings that are told."""
_DAY_NS = 86400 * NS_PER_S
"""So much of a store is held in memory at once."""
_LONGEST_DAYS = 32
"""No period begins longer before an interval that belongs to it: a month, in any time zone."""


def judge_rollups(verdict: Verdict, inspection: Inspection, documents: Path, work: Path) -> None:
    """Say whether the roll-ups of a bundle follow from its records; nothing where there are none.

    `documents` is a folder of documents by the hex of their SHA-256, `work` one for what is needed meanwhile.
    """
    if ROLLUPS not in inspection.places or inspection.manifest is None:
        return
    head = inspection.manifest.head
    _judge(verdict, ROLLUPS, lambda: _of_bundle(inspection, head, documents, work))


def judge_rollups_of_store(
    verdict: Verdict, store: Path, evidence: Sequence[Body], documents: Path, report: ChainReport, days: Iterable[str]
) -> None:
    """Say whether the roll-ups of a store follow from its records; nothing where there are none.

    `evidence` are its records of evidence, `documents` the folder of those by the hex of their SHA-256, `report` what
    its chain came to, `days` the UTC dates on which its intervals start.
    """
    if report.findings:
        verdict.unchecked(SUMS, "the records do not hold together")
    elif report.last:
        last = report.last.seq
        _judge(verdict, str(store), lambda: _of_store(store, days, last, evidence, documents))


def _judge(verdict: Verdict, place: str, held: Callable[[], RolledUp]) -> None:
    try:
        found = held()
    except NONSENSE as error:
        verdict.fails(SUMS, f"{place}: cannot be added up again ({type(error).__name__}: {error})")
        return
    for wrong in found.wrong[:_MOST]:
        verdict.fails(SUMS, f"{place}: {wrong}")
    if found.same:
        what = "hours, shifts, days and months follow" if found.same > 1 else "hour, shift, day or month follows"
        verdict.holds(SUMS, f"{found.same:,} {what} from the records")
    if found.of_others:
        text = "made of records that are not in force here: corrected since, or older than those that are here"
        verdict.unchecked(SUMS, f"{found.of_others:,} of them: {text}")
    if found.worked_out:
        text = "the configuration that they follow from was changed in the period, or is not at hand"
        verdict.unchecked(SUMS, f"{found.worked_out:,} of accounts worked out from others: {text}")


def _of_bundle(inspection: Inspection, head: Head, documents: Path, work: Path) -> RolledUp:
    paths = [_unpacked(inspection, path, work) for path in (ROLLUPS, RECORDS)]
    within = Tally(*period_ns(head)).within
    with paths[0].open("rb") as rollups, paths[1].open("rb") as records:
        wanted = in_force(rollups, lambda body: bool(body["end"] <= head["to"]))
        check = RollupCheck(
            wanted,
            _members(head["documents"], documents, of_today="documents_of_today" in head),
            other_version=head["software"] != __version__,
        )
        for start_ns, bodies in by_start(in_force(records, within)):
            check.add(start_ns, bodies)
        found = check.end()
    for path in paths:
        path.unlink()
    return found


def _unpacked(inspection: Inspection, path: str, work: Path) -> Path:
    """Return a member as a file in which one can go to and fro."""
    target = work / Path(path).name
    with inspection.open(path) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    return target


def _of_store(store: Path, days: Iterable[str], last: int, evidence: Sequence[Body], documents: Path) -> RolledUp:
    """Return what became of the roll-ups of records up to number `last`: a running agent makes more meanwhile."""
    starts = sorted(time_ns(f"{day}T00:00:00Z") for day in days)
    begins = sorted({start_ns - back * _DAY_NS for start_ns in starts for back in range(_LONGEST_DAYS)})
    listed = documents_in_force(map(dict, evidence))
    others = {str(each["version"]) for each in evidence if each.get("what") == "software"} - {__version__}
    told = _latest(store, begins, ROLLUP, lambda body: bool(body["source"]["to_seq"] <= last))
    check = RollupCheck(told, _members(listed, documents), other_version=bool(others))
    for start_ns, bodies in by_start(_latest(store, starts, INTERVAL, lambda body: bool(body["seq"] <= last))):
        check.add(start_ns, bodies)
    return check.end()


def _latest(store: Path, days_ns: Iterable[int], kind: str, wanted: Callable[[Body], bool]) -> Iterator[Body]:
    """Yield the records of a store that are `wanted` and in force, by their starts; those of a day are in memory."""
    for day_ns in days_ns:
        records = read_intervals(store, day_ns, day_ns + _DAY_NS, kind=kind)
        yield from in_force(BytesIO(b"".join(record.payload + b"\n" for record in records)), wanted)


def _members(listed: Sequence[Body], documents: Path, *, of_today: bool = False) -> Members | None:
    """Return how accounts are worked out from others, None where that is not known for all of the period."""
    changed = not all(each.get("used") or each["what"] == "software" for each in listed)
    if changed or of_today:
        return None
    try:
        ground = ground_of(listed, documents)
    except BundleError:
        return None
    return Members(ground.config, Ledger(ground.config, ground.library, start_ns=0))
