"""The roll-ups of a bundle, in the words of a verdict."""

import shutil
from pathlib import Path

from agent import __version__
from agent.bundle.form import NONSENSE, BundleError, Head
from agent.bundle.gather import RECORDS, ROLLUPS
from agent.bundle.inspect import Inspection
from agent.bundle.materials import ground_of
from agent.bundle.rolled_up import RolledUp, RollupCheck, by_start, in_force
from agent.bundle.summary import period_ns
from agent.bundle.tally import Tally
from agent.bundle.verdict import Verdict
from agent.ledger import Ledger
from agent.rollup.members import Members

SUMS = "roll-ups"
_MOST = 20
"""Findings that are told."""


def judge_rollups(verdict: Verdict, inspection: Inspection, documents: Path, work: Path) -> None:
    """Say whether the roll-ups of a bundle follow from its records; nothing where there are none.

    `documents` is a folder of documents by the hex of their SHA-256, `work` one for what is needed meanwhile.
    """
    if ROLLUPS not in inspection.places or inspection.manifest is None:
        return
    try:
        found = _held(inspection, inspection.manifest.head, documents, work)
    except NONSENSE as error:
        verdict.fails(SUMS, f"{ROLLUPS}: cannot be added up again ({type(error).__name__}: {error})")
        return
    for wrong in found.wrong[:_MOST]:
        verdict.fails(SUMS, f"{ROLLUPS}: {wrong}")
    if found.same:
        verdict.holds(SUMS, f"{found.same:,} hours, shifts, days and months follow from the records")
    if found.of_others:
        text = "made of records that are not in force here: corrected since, or before the period"
        verdict.unchecked(SUMS, f"{found.of_others:,} of them: {text}")
    if found.worked_out:
        text = "the configuration that they follow from was changed in the period, or is not at hand"
        verdict.unchecked(SUMS, f"{found.worked_out:,} of accounts worked out from others: {text}")


def _held(inspection: Inspection, head: Head, documents: Path, work: Path) -> RolledUp:
    paths = [_unpacked(inspection, path, work) for path in (ROLLUPS, RECORDS)]
    within = Tally(*period_ns(head)).within
    with paths[0].open("rb") as rollups, paths[1].open("rb") as records:
        wanted = in_force(rollups, lambda body: bool(body["end"] <= head["to"]))
        check = RollupCheck(wanted, _members(head, documents), other_version=head["software"] != __version__)
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


def _members(head: Head, documents: Path) -> Members | None:
    """Return how accounts are worked out from others, None where that is not known for all of the period."""
    listed = head["documents"]
    changed = not all(each.get("used") or each["what"] == "software" for each in listed)
    if changed or "documents_of_today" in head:
        return None
    try:
        ground = ground_of(listed, documents)
    except BundleError:
        return None
    return Members(ground.config, Ledger(ground.config, ground.library, start_ns=0))
