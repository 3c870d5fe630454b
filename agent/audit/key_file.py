"""The key seals are signed with: made at the first start, or given as a file, such as a credential of systemd."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from agent.store.place import sync


class KeyFileError(Exception):
    """Raised when a key must not or cannot be used until somebody does something; its text is one line."""


def load_key(path: Path) -> Ed25519PrivateKey:
    """Return the key of a file; raise KeyFileError, or OSError where the disk is at fault."""
    try:
        with path.open("rb") as file:
            _check_mode(path, os.fstat(file.fileno()))
            content = file.read(1 << 16)
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror}): check the path and its rights") from error
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as error:
        raise KeyFileError(f"{path}: the key is encrypted, and nobody is there to type a pass phrase") from error
    except Exception as error:  # the library has no common error for what is no key
        raise KeyFileError(f"{path}: holds no private key in PEM: {_HOW}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: holds a key of another kind: {_HOW}")
    return key


_HOW = "make one with `openssl genpkey -algorithm ed25519`"


def own_key(path: Path) -> Ed25519PrivateKey:
    """Return the key at a path, made if there is none; raise KeyFileError, or OSError where the disk is at fault."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(path)
    return load_key(path)


def _make(path: Path) -> None:
    """Write a new key that only its owner can read; the one of whoever was faster stays."""
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
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
