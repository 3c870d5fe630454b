"""The key seals are signed with: made at the first start, or given as a file, such as a credential of systemd."""

import base64
import binascii
import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from agent.audit.signing import SEED_BYTES, SigningKey, signing_key
from agent.store.place import sync
from drivers.regular_file import NotRegularError, open_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_BEGIN, _END = (b"-----%s PRIVATE KEY-----" % word for word in (b"BEGIN", b"END"))
_BEFORE_SEED = bytes.fromhex("302e020100300506032b657004220420")
"""What a key of Ed25519 in PKCS #8 begins with when nothing but its 32 bytes follow: RFC 8410, section 7."""


class KeyFileError(Exception):
    """Raised when a key must not or cannot be used until somebody does something; its text is one line."""


def load_key(path: Path) -> "Ed25519PrivateKey":
    """Return the key of a file; raise KeyFileError, or OSError where the disk is at fault."""
    # The agent does without as long as it can: it takes 10 MB.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    content = _content(path)
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as error:
        raise KeyFileError(f"{path}: the key is encrypted, and nobody is there to type a pass phrase") from error
    except Exception as error:  # the library has no common error for what is no key
        raise KeyFileError(f"{path}: holds no private key in PEM: {_HOW}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: holds a key of another kind: {_HOW}")
    return key


def load_signing_key(path: Path) -> SigningKey:
    """Return the key of a file for signing alone, which takes little memory; raise as `load_key` does."""
    seed = _seed(_content(path))
    # Less usual forms, and what is wrong with a file, are for the library to tell.
    return signing_key(seed or load_key(path).private_bytes_raw())


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            _check_mode(path, os.fstat(file.fileno()))
            return file.read(1 << 16)
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, NotRegularError) as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror}): check the path and its rights") from error


def _seed(content: bytes) -> bytes | None:
    """Return the 32 bytes of a key in the form that `openssl genpkey` and this agent write; None for any other."""
    begin, *middle = content.split(b"\n")
    if begin != _BEGIN or middle[1:] != [_END, b""]:
        return None
    try:
        found = base64.b64decode(middle[0], validate=True)
    except binascii.Error:
        return None
    whole = found.startswith(_BEFORE_SEED) and len(found) == len(_BEFORE_SEED) + SEED_BYTES
    return found[len(_BEFORE_SEED) :] if whole else None


_HOW = "make one with `openssl genpkey -algorithm ed25519`"


def own_key(path: Path) -> SigningKey:
    """Return the key at a path, made if there is none; raise KeyFileError, or OSError where the disk is at fault."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(path)
    return load_signing_key(path)


def _make(path: Path) -> None:
    """Write a new key that only its owner can read; the one of whoever was faster stays."""
    key = base64.b64encode(_BEFORE_SEED + secrets.token_bytes(SEED_BYTES))
    content = b"\n".join((_BEGIN, key, _END, b""))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    written = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(written, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync(path.parent)


def _check_mode(path: Path, found: os.stat_result) -> None:
    # systemd gives a service its credentials by an access list, which shows as rights of the group.
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    given = folder is not None and path.is_relative_to(folder)
    others = stat.S_IRWXO if given else stat.S_IRWXG | stat.S_IRWXO
    if found.st_mode & others:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise KeyFileError(
            f"{path}: the key can be read by others (mode {mode}), so its signatures prove nothing: "
            "make a new one, or `chmod 600` it if nobody has read it"
        )
