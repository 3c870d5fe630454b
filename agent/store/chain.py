"""The chain of interval records: each names the hash of the one before it.

The hash is SHA-256 over the record in RFC 8785 canonical form without its own `hash`.
"""

import hashlib
from collections.abc import Mapping

import orjson
import rfc8785

from agent.record import encode

GENESIS = "sha256:" + "0" * 64
"""What the first record of a chain names as its previous one."""


def record_hash(record: Mapping[str, object]) -> str:
    """Return the hash of a decoded interval record; raise ValueError when it has no canonical form."""
    content = {key: value for key, value in record.items() if key != "hash"}
    try:
        canonical = rfc8785.dumps(content)  # type: ignore[arg-type]  # decoded JSON, by contract
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"an interval record has no canonical form: {error}") from error
    return "sha256:" + hashlib.sha256(canonical).hexdigest()


def seal(body: Mapping[str, object], previous: str) -> tuple[bytes, str]:
    """Return an interval record linked behind `previous`, encoded, and its hash."""
    linked = {**body, "previous": previous}
    # Hashed is what a verifier will read back, not the Python values that happened to be written.
    digest = record_hash(orjson.loads(encode(linked)))
    return encode({**linked, "hash": digest}), digest
