"""The bundle of a real run with one bit flipped, a member removed, moved or doubled, or signed with another key."""

import itertools
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.bundle.verdict import Verdict
from agent.bundle.verify import ARCHIVE, KEY, verify
from tests.agent.bundle.works import Works, remade, run_works
from tests.soak.finding import Finding

_END = 1024
_END_NAME = "end of the archive"


def bundles(folder: Path, *, seconds: float, flips: int) -> Finding:
    """Damage a bundle in `flips` places, and in every way that a forger would; each must be found at its place."""
    finding = Finding("a bundle that is not as it was signed")
    works = run_works(folder, seconds)
    finding.expect(verify(works.bundle).right, "the bundle itself does not hold")
    parts = list(_parts(works.bundle))
    _flipped(finding, works.bundle, parts, flips)
    _forged(finding, folder / "forged.tar", works, parts)
    finding.figures["size"] = f"{works.bundle.stat().st_size:,} bytes, {len(parts)} files"
    return finding


def _parts(bundle: Path) -> Iterator[tuple[str, int, int]]:
    """Yield each member with the bytes it takes, head and padding included, as another program finds them."""
    with tarfile.open(bundle) as archive:
        members = archive.getmembers()
    starts = [member.offset for member in members]
    ends = [*starts[1:], bundle.stat().st_size - _END]
    yield from zip((member.name for member in members), starts, ends, strict=True)


def _flipped(finding: Finding, bundle: Path, parts: list[tuple[str, int, int]], flips: int) -> None:
    chance, size, missed = random.Random(11), bundle.stat().st_size, 0  # noqa: S311 -- where to damage
    with bundle.open("r+b") as file:
        for _ in range(flips):
            place, mask = chance.randrange(size), 1 << chance.randrange(8)
            name = next((name for name, _, end in parts if place < end), _END_NAME)
            _flip(file.fileno(), place, mask)
            said = _wrong(verify(bundle))
            _flip(file.fileno(), place, mask)
            if len(said) != 1 or name not in said[0]:
                missed += 1
                finding.problems.append(f"byte {place} of {name}: {said}")
    finding.figures["bits flipped"] = f"{flips:,}, {flips - missed:,} found and named"


def _flip(descriptor: int, place: int, mask: int) -> None:
    byte = os.pread(descriptor, 1, place)[0]
    os.pwrite(descriptor, bytes([byte ^ mask]), place)


def _wrong(verdict: Verdict) -> list[str]:
    return [each.text for each in verdict.checks if each.name == ARCHIVE and each.state == "does not hold"]


def _forged(finding: Finding, target: Path, works: Works, parts: list[tuple[str, int, int]]) -> None:
    content = works.bundle.read_bytes()
    pieces = {name: content[start:end] for name, start, end in parts}
    names, tried = list(pieces), 0
    for one in names:
        orders = {
            "removed": [name for name in names if name != one],
            "doubled": [each for name in names for each in ([name, name] if name == one else [name])],
        }
        for what, order in orders.items():
            tried += 1
            target.write_bytes(b"".join(pieces[name] for name in order) + bytes(_END))
            said = _wrong(verify(target))
            finding.expect(any(one in each or _END_NAME in each for each in said), f"{one} {what}: {said}")
    for one, other in itertools.pairwise(names):
        tried += 1
        order = [{one: other, other: one}.get(name, name) for name in names]
        target.write_bytes(b"".join(pieces[name] for name in order) + bytes(_END))
        said = _wrong(verify(target))
        finding.expect(any(one in each for each in said), f"{one} and {other} swapped: {said}")
    target.unlink()
    remade(works.bundle, target, Ed25519PrivateKey.generate(), {})
    first = verify(target).first
    finding.expect(first is not None and first.name == KEY, f"signed with another key: {first}")
    finding.figures["removed, doubled, swapped, signed with another key"] = f"{tried + 1:,}"
