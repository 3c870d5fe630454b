"""Reading a bundle: every byte is held against what it must be, and what is wrong is named by its place.

Invariants:
- A bundle is never unpacked to be checked, and is held in memory in pieces only.
- With the manifest at hand every place is known: damage to one member hides none of another.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, takewhile
from pathlib import Path
from typing import BinaryIO

from agent.audit.public_key import pem, public_key, signed_by
from agent.bundle.form import (
    BLOCK,
    END,
    MANIFEST,
    PUBLIC_KEY,
    SIGNATURE,
    SIGNATURE_BYTES,
    SUMS,
    BundleError,
    Manifest,
    Member,
    header,
    offsets,
    padding,
    parse_header,
)
from agent.bundle.repacked import LARGEST_HEAD, compression, differences
from drivers.regular_file import open_regular
from drivers.value import frozen

_PIECE = 1 << 20
_MAGIC, _MAGIC_AT = b"ustar", 257
"""What every head of a member has, and where in it: POSIX.1-2017, pax, ustar interchange format."""


@frozen
class Finding:
    """What is wrong, and where."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.place}: {self.what}"


@dataclass(slots=True)
class Inspection:
    """What a bundle holds, and what is wrong with it; nothing is, when there are no findings."""

    path: Path
    findings: list[Finding] = field(default_factory=list)
    manifest: Manifest | None = None
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Offset and size of each member's content."""

    def open(self, path: str) -> BinaryIO:
        """Open a member to read; raise KeyError when there is none of this path."""
        offset, size = self.places[path]
        return io.BufferedReader(_Part(self.path, offset, size), _PIECE)

    def read(self, path: str) -> bytes:
        """Return a member's content."""
        with self.open(path) as file:
            return file.read()

    def wrong(self, place: str, what: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(place, what))


def inspect(path: Path) -> Inspection:
    """Look through a bundle; raise BundleError when it cannot be read at all."""
    inspection = Inspection(path)
    try:
        with path.open("rb") as file:
            begun = file.read(BLOCK)
            if compressed := compression(begun):
                raise BundleError(f"{path}: is compressed ({compressed}): unpack that first, and give the .tar in it")
            if not begun.startswith(SUMS.encode()) and not _holds_members(file):
                raise BundleError(f"{path}: is no bundle, nor a configuration: give the .tar that `bundle` has written")
            if parse_header(begun) is None:
                inspection.findings = [Finding(*each) for each in differences(path)]
            if not inspection.findings:
                file.seek(0)
                _look_through(file, inspection)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    return inspection


def is_bundle(path: Path) -> bool:
    """Return whether a file is a bundle, or was one: a configuration never begins so."""
    try:
        with open_regular(path) as file:
            begun = file.read(BLOCK)
    except OSError:
        return False
    return begun.startswith(SUMS.encode()) or b"\0" in begun


def _holds_members(file: BinaryIO) -> bool:
    """Return whether anything in a file looks like the head of a member, be the first one damaged."""
    file.seek(0)
    while piece := file.read(_PIECE):
        if any(piece.startswith(_MAGIC, start + _MAGIC_AT) for start in range(0, len(piece), BLOCK)):
            return True
    return False


def _look_through(file: BinaryIO, inspection: Inspection) -> None:
    heads: dict[str, bytes] = {}
    for path in (SUMS, SIGNATURE, MANIFEST):
        content = _head_member(file, path, inspection)
        if content is None:
            return
        heads[path] = content
    try:
        manifest = Manifest.parse(heads[MANIFEST])
    except BundleError as error:
        inspection.wrong(MANIFEST, f"{error}; what it lists cannot be checked")
        return
    inspection.manifest = manifest
    if not _check_signature(heads, manifest, inspection):
        return
    _check_members(file, manifest, [*map(len, heads.values())], inspection)


def _check_members(file: BinaryIO, manifest: Manifest, heads: list[int], inspection: Inspection) -> None:
    whole = file.seek(0, os.SEEK_END)
    sizes = [*heads, *(each.size for each in manifest.members)]
    places = offsets(sizes)
    for member, place in zip(manifest.members, places[3:], strict=False):
        inspection.places[member.path] = (place, member.size)
        file.seek(place - BLOCK)
        block = file.read(BLOCK)
        if block != header(member.path, member.size):
            _explain_header(file, block, member, place - BLOCK, inspection, manifest)
            if parse_header(block):
                return  # another member stands here, and all that follow are elsewhere
            if not block.rstrip(b"\0") and place + member.size > whole:
                continue  # the file ends before it, which was told
            file.seek(place)
        _check_content(file, member, place, inspection)
    file.seek(places[-1])
    if file.read(len(END) + 1) != END:
        inspection.wrong(f"end of the archive (byte {places[-1]} and on)", "is not as it was written")
    key = public_key(manifest.head.get("public_key"))
    right = hashlib.sha256(pem(key)).hexdigest() if key else ""
    if right not in [each.sha256 for each in manifest.members if each.path == PUBLIC_KEY]:
        inspection.wrong(PUBLIC_KEY, f"is not the key that {MANIFEST} names")


def _head_member(file: BinaryIO, path: str, inspection: Inspection) -> bytes | None:
    """Return the content of one of the first members; None, with a finding, when it cannot be told."""
    start = file.tell()
    block = file.read(BLOCK)
    found = parse_header(block)
    if found is None or found[0] != path or found[1] > LARGEST_HEAD:
        instead = f"'{found[0]}' stands in its place" if found and found[0] != path else "is not as it was written"
        inspection.wrong(f"head of {path} (byte {start} to {start + BLOCK - 1})", instead)
        return None
    content = file.read(found[1])
    if len(content) < found[1]:
        inspection.wrong(path, "the file ends within it")
        return None
    if file.read(padding(found[1])) != bytes(padding(found[1])):
        inspection.wrong(f"padding behind {path}", "is not zero")
    if path == SIGNATURE and found[1] != SIGNATURE_BYTES:
        inspection.wrong(path, f"has {found[1]} bytes, not {SIGNATURE_BYTES}")
    return content


def _check_signature(heads: dict[str, bytes], manifest: Manifest, inspection: Inspection) -> bool:
    """Find which of list, signature and manifest is wrong, if one is; return whether the manifest can be gone by."""
    key = public_key(manifest.head.get("public_key"))
    expected = manifest.sums(hashlib.sha256(heads[MANIFEST]).hexdigest())
    sums, signature = heads[SUMS], heads[SIGNATURE]
    if key is None:
        inspection.wrong(MANIFEST, "names no public key")
        return False
    if signed_by(key, signature, expected):
        if sums != expected:
            inspection.wrong(SUMS, f"line {_first_line(sums, expected)} is not as it was signed")
        return True
    if sums == expected:
        inspection.wrong(SIGNATURE, f"is no signature of {SUMS} by the key that {MANIFEST} names")
        return True
    if signed_by(key, signature, sums) or expected.splitlines()[1:] == sums.splitlines()[1:]:
        inspection.wrong(MANIFEST, f"is not the one that {SUMS} names")
    else:
        inspection.wrong(f"{SUMS} and {MANIFEST}", f"say different things, and {SIGNATURE} is of neither")
    return False


def _first_line(one: bytes, other: bytes) -> int:
    pairs = zip(one.splitlines(), other.splitlines(), strict=False)
    return next((number for number, (left, right) in enumerate(pairs, 1) if left != right), 1)


def _explain_header(
    file: BinaryIO, block: bytes, member: Member, start: int, inspection: Inspection, manifest: Manifest
) -> None:
    """Say why another head stands where that of a member should: damage, or members that moved."""
    place = f"head of {member.path} (byte {start} to {start + BLOCK - 1})"
    if not block.rstrip(b"\0"):
        inspection.wrong(member.path, "is missing: the archive ends before it")
    elif (instead := parse_header(block)) is None:
        inspection.wrong(place, "is not as it was written")
    else:
        listed = dict.fromkeys(each.path for each in manifest.members)
        before = takewhile(lambda path: path != member.path, listed)
        found = Counter(chain(before, _paths_from(file, start)))
        missing = [path for path in listed if path not in found]
        added = [path for path in found if path not in listed]
        twice = sorted(path for path, count in found.items() if count > 1)
        for paths, what in ((missing, "is missing"), (twice, "stands there twice"), (added, "is not in the manifest")):
            for path in paths:
                inspection.wrong(path, what)
        if not (missing or added or twice):
            inspection.wrong(member.path, f"'{instead[0]}' stands in its place")


def _paths_from(file: BinaryIO, start: int) -> Iterator[str]:
    """Yield the paths of the members that stand from a place on, as far as they can be read."""
    while True:
        file.seek(start)
        found = parse_header(file.read(BLOCK))
        if found is None:
            return
        yield found[0]
        start += BLOCK + found[1] + padding(found[1])


def _check_content(file: BinaryIO, member: Member, place: int, inspection: Inspection) -> None:
    digest, left = hashlib.sha256(), member.size
    while left and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    if left:
        inspection.wrong(member.path, "the file ends within it")
        return
    if digest.hexdigest() != member.sha256:
        whole = f"(byte {place} to {place + member.size - 1})"
        inspection.wrong(f"{member.path} {whole}", "is not what was signed: its SHA-256 is another")
    if file.read(padding(member.size)) != bytes(padding(member.size)):
        inspection.wrong(f"padding behind {member.path}", "is not zero")


class _Part(io.RawIOBase):
    """A part of a file, read as a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = path.open("rb")
        self._file.seek(offset)
        self._left = size

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than any buffer
        """Read on."""
        piece = self._file.read(min(len(buffer), self._left))
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
