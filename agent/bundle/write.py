"""Writing a bundle: in one pass, with a fixed piece of memory, under a temporary name until it is whole."""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.public_key import pem, public_text
from agent.bundle.form import (
    END,
    LARGEST_MEMBER,
    MANIFEST,
    PUBLIC_KEY,
    SCHEMA,
    SIGNATURE,
    SIGNATURE_BYTES,
    SUMS,
    BundleError,
    Head,
    Manifest,
    Member,
    header,
    offsets,
    padding,
)

Content = bytes | Path | BinaryIO
"""What becomes a member: bytes, a file by its name, or an open file from its beginning."""
_PIECE = 1 << 20
_NOT_YET = "0" * 64


def write_bundle(target: Path, contents: Mapping[str, Content], head: Head, key: Ed25519PrivateKey) -> Manifest:
    """Write a bundle of `contents` by path, in their order; raise BundleError in one line, leaving no half file."""
    refuse_existing(target)
    part = target.with_name(target.name + ".part")
    try:
        try:
            with part.open("wb") as file:
                manifest = _write(file, {**contents, PUBLIC_KEY: pem(key.public_key())}, head, key)
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
            _sync(target.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BundleError(explained(target, error)) from error
    return manifest


def refuse_existing(target: Path) -> None:
    """Raise BundleError where something stands already, be it a link to nothing."""
    if os.path.lexists(target):
        raise BundleError(f"{target}: exists already: name another file with --out")


def explained(target: Path, error: OSError) -> str:
    """Return in one line why a bundle cannot be written, if not for something that it is made of."""
    if isinstance(error, FileNotFoundError) and error.filename and Path(error.filename).name != f"{target.name}.part":
        return f"{error.filename}: was removed while the bundle was written: start again"
    return unwritable(target, error)


def unwritable(target: Path, error: OSError) -> str:
    """Return in one line why there can be no file at its place."""
    if error.errno == errno.ENOSPC:
        return f"{target}: no space is left on the disk: name a file on another with --out, or a shorter period"
    return f"{target}: cannot be written ({error.strerror}): name another file with --out"


def _write(file: BinaryIO, contents: Mapping[str, Content], head: Head, key: Ed25519PrivateKey) -> Manifest:
    head = {**head, "schema": SCHEMA, "public_key": public_text(key.public_key())}
    members = [Member(path, _size(content), _NOT_YET) for path, content in contents.items()]
    # Digests have one length, so the sizes of the first members are known before what they say.
    draft = Manifest(head, tuple(members))
    sizes = [len(draft.sums(_NOT_YET)), SIGNATURE_BYTES, len(draft.encode()), *(each.size for each in members)]
    places = offsets(sizes)
    file.seek(places[3] - len(header("", 0)))
    written = []
    for member, content in zip(members, contents.values(), strict=True):
        file.write(header(member.path, member.size))
        written.append(Member(member.path, member.size, _copy(content, member, file)))
        file.write(bytes(padding(member.size)))
    file.write(END)
    manifest = Manifest(head, tuple(written))
    encoded = manifest.encode()
    sums = manifest.sums(hashlib.sha256(encoded).hexdigest())
    file.seek(0)
    for path, content in ((SUMS, sums), (SIGNATURE, key.sign(sums)), (MANIFEST, encoded)):
        file.write(header(path, len(content)) + content + bytes(padding(len(content))))
    return manifest


def _copy(content: Content, member: Member, file: BinaryIO) -> str:
    """Copy a member's content; return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(content):
        digest.update(piece)
        size += len(piece)
        if size > member.size:
            break
        file.write(piece)
    if size != member.size:
        raise BundleError(f"{member.path}: changed while the bundle was written: start again")
    return digest.hexdigest()


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    elif isinstance(content, Path):
        with content.open("rb") as file:
            yield from iter(lambda: file.read(_PIECE), b"")
    else:
        content.seek(0)
        yield from iter(lambda: content.read(_PIECE), b"")


def _size(content: Content) -> int:
    if isinstance(content, bytes):
        size = len(content)
    elif isinstance(content, Path):
        size = content.stat().st_size
    else:
        size = content.seek(0, os.SEEK_END)
    if size > LARGEST_MEMBER:
        raise BundleError(f"a part of the bundle has {size >> 30} GiB, more than 8: choose a shorter period")
    return size


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
