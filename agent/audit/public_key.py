"""Public keys as records and people write them."""

import base64
import binascii
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from agent.audit.signing import PREFIX


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key as `ed25519:<base64>`."""
    return PREFIX + base64.b64encode(key.public_bytes_raw()).decode()


def pem(key: Ed25519PublicKey) -> bytes:
    """Return a public key as `openssl` reads it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_key(text: object) -> Ed25519PublicKey | None:
    """Return the key of such a text, None for any other."""
    if not isinstance(text, str) or not text.startswith(PREFIX):
        return None
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix(PREFIX), validate=True))
    except (ValueError, binascii.Error):
        return None
    return key if public_text(key) == text else None


def given_key(given: str) -> str:
    """Return a public key given as text, or as a PEM file or a file with the text, as text; raise ValueError."""
    if text := _as_key(given):
        return text
    try:
        content = Path(given).read_bytes()
    except OSError as error:
        what = "give ed25519: and 44 characters of Base64, or a PEM file"
        raise ValueError(f"'{given}' is no public key and no file: {what}") from error
    text = content.decode(errors="replace").strip()
    if key_text := _as_key(text):
        return key_text
    try:
        key = load_pem_public_key(content.lstrip() if text.startswith("-----") else b"")
    except ValueError as error:
        raise ValueError(f"{given}: holds no public key: give ed25519:… or a PEM file") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{given}: holds a key of another kind: give one of Ed25519")  # noqa: TRY004 -- not a programmer's mistake
    return public_text(key)


def _as_key(text: str) -> str:
    """Return the text of a public key, also without its prefix as `base64` prints it; empty for any other text."""
    return next((each for each in (text, PREFIX + text) if public_key(each)), "")


def signed_by(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    """Return whether a signature of content is by this key."""
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
