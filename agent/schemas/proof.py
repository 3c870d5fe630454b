"""What makes records provable: evidence of what they were made with, and seals over them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agent.schemas.message import Chained, Count, Digest, PublicKey, Time


class Proof(Chained):
    """Evidence: which program, configuration, profile, factor set, key or capture file the records rest on."""

    schema_: Literal["energy-agent/evidence/1"] = Field(alias="schema")
    time: Time
    """When it was noted."""
    what: Literal["software", "configuration", "profile", "factors", "key", "capture", "capture_removed", "timestamp"]
    """What it is about; `capture_removed` tells of a file that had to make room."""
    name: str
    """Which one: the name of a file, of a profile or of a program."""
    digest: Digest | None = None
    """SHA-256 of the document or file; absent of a key and of a time stamp."""
    size: Count | None = None
    """Its size [bytes]."""
    version: str | None = None
    """Of `software` and `factors`: its version, as records of account name it."""
    file: str | None = None
    """Of `factors`: name of the file, where it is the plant's own."""
    python: str | None = None
    """Of `software`: the version of Python it runs under."""
    packages: dict[str, str] | None = None
    """Of `software`: versions of the packages it uses, by name."""
    public_key: PublicKey | None = None
    """Of `key`: the key seals are signed with."""
    first: Time | None = None
    """Of `capture`: time of its first exchange."""
    last: Time | None = None
    """Of `capture`: time of its last exchange."""
    exchanges: Count | None = None
    """Of `capture`: how many exchanges it holds."""
    seal: Digest | None = None
    """Of `timestamp`: hash of the seal that was stamped."""
    token: str | None = None
    """Of `timestamp`: the time stamp token (RFC 3161) in Base64."""


class Seal(Chained):
    """A signature over all records of the chain since the seal before. Also retained: the latest one.

    `signature` is made over the record in RFC 8785 canonical form without `hash` and `signature`, whose SHA-256
    is `hash`.
    """

    schema_: Literal["energy-agent/seal/1"] = Field(alias="schema")
    time: Time
    """When it was made."""
    from_seq: Annotated[int, Field(ge=1)]
    """Number of the first record under it."""
    to_seq: Annotated[int, Field(ge=1)]
    """Number of the last record under it."""
    count: Annotated[int, Field(ge=1)]
    """How many records of the chain are under it."""
    root: Digest
    """Root of the Merkle tree over the hashes of these records by number (RFC 6962, 2.1)."""
    head: Digest
    """Hash of the last record under it."""
    previous_seal: Digest
    """Hash of the seal before this one; the first names 64 zeros."""
    public_key: PublicKey
    """The key of the signature."""
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]
    """Ed25519 signature (RFC 8032) in Base64."""
