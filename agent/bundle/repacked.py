"""What is told of an archive that is no longer the file that was written: compressed, or packed again by a program."""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from agent.audit.public_key import public_key, signed_by
from agent.bundle.form import BLOCK, MANIFEST, SIGNATURE, SUMS, BundleError, Manifest

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
}
LARGEST_HEAD = 32 << 20
"""More than the list of a hundred thousand members takes."""
_PIECE = 1 << 20
_AGAIN = "is not as it was written, as when files are packed again: ask for the archive as it was made"

Files = dict[str, tarfile.TarInfo]


def compression(block: bytes) -> str | None:
    """Return with what a file was compressed, by its first bytes; None for a bundle."""
    return next((name for magic, name in _COMPRESSED.items() if block.startswith(magic)), None)


def differences(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where an archive that another program has packed differs, and how; nothing where a file is none."""
    try:
        with tarfile.open(path, "r:") as archive:
            files = {each.name: each for each in archive if each.isfile()}
            prefix = next((name.removesuffix(SUMS) for name in files if name.rpartition("/")[2] == SUMS), None)
            if prefix is None:
                return
            files = {name.removeprefix(prefix): each for name, each in files.items() if name.startswith(prefix)}
            found = list(_files(archive, files))
            yield from found
            rest = "" if found else "; the files in it are those that were signed"
            yield f"head of {SUMS} (byte 0 to {BLOCK - 1})", f"{_AGAIN}{rest}"
    except (tarfile.TarError, ValueError, OverflowError):
        return


def _files(archive: tarfile.TarFile, files: Files) -> Iterator[tuple[str, str]]:
    heads = {name: _read(archive, files[name]) for name in (SUMS, SIGNATURE, MANIFEST) if name in files}
    try:
        manifest = Manifest.parse(heads.get(MANIFEST, b""))
    except BundleError as error:
        yield MANIFEST, f"{error}; what it lists cannot be checked"
        return
    key = public_key(manifest.head.get("public_key"))
    sums = manifest.sums(hashlib.sha256(heads[MANIFEST]).hexdigest())
    if key is None or not signed_by(key, heads.get(SIGNATURE, b""), sums):
        yield MANIFEST, f"is not the one whose list {SIGNATURE} signs"
    elif heads.get(SUMS) != sums:
        yield SUMS, "is not as it was signed"
    for member in manifest.members:
        if member.path not in files:
            yield member.path, "is missing"
        elif _digest(archive, files[member.path]) != member.sha256:
            yield member.path, "is not what was signed: its SHA-256 is another"
    listed = {SUMS, SIGNATURE, MANIFEST, *(member.path for member in manifest.members)}
    for name in sorted(files.keys() - listed):
        yield name, "is not in the manifest"


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read(LARGEST_HEAD) if file else b""


def _digest(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    digest, file = hashlib.sha256(), archive.extractfile(member)
    while file and (piece := file.read(_PIECE)):
        digest.update(piece)
    return digest.hexdigest()
