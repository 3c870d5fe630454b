"""Whether a seal by itself is what its key has signed."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from agent.audit.public_key import public_key, signed_by
from agent.store import canonical, record_hash

_NUMBERS = ("seq", "from_seq", "to_seq", "count")
_HASHES = ("root", "head", "previous_seal", "previous", "hash")


def sound_seal(body: Mapping[str, Any]) -> str:
    """Return what is wrong with a seal by itself, empty when nothing is."""
    whole = all(type(body.get(name)) is int and body[name] > 0 for name in _NUMBERS)
    if not whole or not all(is_hash(body.get(name)) for name in _HASHES):
        return "lacks a number or a hash"
    try:
        content, digest = canonical(body), record_hash(body)
    except ValueError:
        return "has no canonical form"
    if digest != body["hash"]:
        return "has another hash than it says"
    key = public_key(body.get("public_key"))
    if key is None:
        return "names no public key"
    return "" if signed_by(key, _decoded(body.get("signature")), content) else "has a signature that is not of its key"


def is_hash(value: object) -> bool:
    """Return whether this is a hash as records say it: `sha256:` and 64 digits."""
    if not isinstance(value, str) or not value.startswith("sha256:"):
        return False
    digits = value.removeprefix("sha256:")
    return len(digits) == 64 and not digits.strip("0123456789abcdef")  # noqa: PLR2004 -- hex digits of SHA-256


def _decoded(signature: object) -> bytes:
    """Return the bytes of a signature, none for what does not spell them as Base64 must."""
    try:
        found = base64.b64decode(str(signature), validate=True)
    except (ValueError, binascii.Error):
        return b""
    return found if base64.b64encode(found).decode() == signature else b""
