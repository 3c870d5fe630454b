"""The chain of records that prove something: each names the hash of the one before it.

The hash is SHA-256 over the record in RFC 8785 canonical form without its own `hash`. A seal is signed as well: its
signature is made of the same bytes, and is left out of them as the hash is.
"""

import hashlib
from collections.abc import Callable, Mapping

import orjson
import rfc8785

from agent.record import encode

GENESIS = "sha256:" + "0" * 64
"""What the first record of a chain names as its previous one."""
SEAL_SCHEMA = "energy-agent/seal/1"
Sign = Callable[[bytes], str]
"""Signs bytes; what it returns goes into the record."""


def canonical(record: Mapping[str, object]) -> bytes:
    """Return what is hashed, and signed, of a decoded record; raise ValueError when it has no canonical form."""
    apart = {"hash", "signature"} if record.get("schema") == SEAL_SCHEMA else {"hash"}
    content = {key: value for key, value in record.items() if key not in apart}
    try:
        return rfc8785.dumps(content)  # type: ignore[arg-type]  # decoded JSON, by contract
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise ValueError(f"a record has no canonical form: {error}") from error


def record_hash(record: Mapping[str, object]) -> str:
    """Return the hash of a decoded record of the chain; raise ValueError when it has no canonical form."""
    return _hash(canonical(record))


def link(body: Mapping[str, object], previous: str, sign: Sign | None = None) -> tuple[bytes, str]:
    """Return a record linked behind `previous`, encoded and signed if it is to be, and its hash."""
    linked = {**body, "previous": previous}
    # Hashed is what a verifier will read back, not the Python values that happened to be written.
    content = canonical(orjson.loads(encode(linked)))
    digest = _hash(content)
    signature = {"signature": sign(content)} if sign else {}
    return encode({**linked, "hash": digest, **signature}), digest


def _hash(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
