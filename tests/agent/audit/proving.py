"""A motor whose agent seals what it records, and the proof of that by hand."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.config import SiteConfig
from agent.store import GENESIS, read_chained
from tests.agent.frames import configured

SITE = """[site]
name = "works"
electricity_region = "CN-AH"

[store]
path = "data/store.db"
max_size = "4MiB"
commit_every = "50ms"

[[line]]
name = "hall"
url = "{url}"
timeout = "300ms"

[[device]]
name = "motor-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
every = "100ms"

[interval]
length = "1s"

[audit]
seal_every = "1s"
"""


CAPTURE = """
[capture]
mode = "full"
directory = "capture"
"""


def site(folder: Path, url: str = "tcp://127.0.0.1:1", more: str = "", capture: str = CAPTURE) -> SiteConfig:
    return configured(folder, SITE.format(url=url) + more + capture)


def chain(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(record.payload) for record in read_chained(folder / "data" / "store.db")]


def kind(record: dict[str, Any]) -> str:
    return str(record["schema"]).split("/")[1]


def by_definition(entries: Sequence[bytes]) -> bytes:
    """Return the root as RFC 6962, 2.1 defines it: split at the largest power of two below the number of leaves."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    half = 1 << (len(entries) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + by_definition(entries[:half]) + by_definition(entries[half:])).digest()


def check_by_hand(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Check links, hashes, roots and signatures without the agent's code; return the seals."""
    previous, seals = GENESIS, []
    for record in records:
        content = {key: record[key] for key in record if key not in {"hash", "signature"}}
        assert record["previous"] == previous
        assert record["hash"] == "sha256:" + hashlib.sha256(rfc8785.dumps(content)).hexdigest()
        previous = record["hash"]
        if kind(record) == "seal":
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(record["public_key"].removeprefix("ed25519:")))
            key.verify(base64.b64decode(record["signature"]), rfc8785.dumps(content))
            seals.append(record)
    last = {"hash": GENESIS, "to_seq": 0}
    for seal in seals:
        under = [each for each in records if last["to_seq"] < each["seq"] <= seal["to_seq"]]
        root = by_definition([bytes.fromhex(each["hash"].removeprefix("sha256:")) for each in under])
        assert (seal["from_seq"], seal["to_seq"], seal["count"]) == (under[0]["seq"], under[-1]["seq"], len(under))
        assert (seal["root"], seal["head"]) == (f"sha256:{root.hex()}", under[-1]["hash"])
        assert seal["previous_seal"] == last["hash"]
        last = seal
    return seals
