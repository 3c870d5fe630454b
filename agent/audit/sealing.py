"""Seals: what is signed of the records since the seal before."""

import base64
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from agent.audit.merkle import Tree
from agent.record import rfc3339
from agent.store import GENESIS, SEAL_SCHEMA, Store

LATEST = "seal"
"""Name under which the store keeps the latest seal."""
_AT_ONCE = 500


class Signs(Protocol):
    """A private key."""

    @property
    def sign(self) -> Callable[[bytes], bytes]:
        """What signs content."""
        ...


def signer(key: Signs) -> Callable[[bytes], str]:
    """Return what signs seals with a key."""
    return lambda content: base64.b64encode(key.sign(content)).decode()


async def seal_body(store: Store, site: str, public_key: str, now_ns: int) -> dict[str, object] | None:
    """Return the body of a seal over every committed record of the chain behind the last seal, None without any.

    It is made at `now_ns` (Unix). Raises StoreError when the records cannot be read.
    """
    latest = store.load_state(LATEST)
    last: dict[str, Any] = orjson.loads(latest) if latest else {"to_seq": 0, "hash": GENESIS}
    tree, first, through, head = Tree(), 0, int(last["to_seq"]), ""
    while found := await store.chained(through, _AT_ONCE):
        for record in found:
            head = orjson.loads(record.payload)["hash"]
            tree.add(leaf(head))
        first, through = first or found[0].seq, found[-1].seq
    if not tree.leaves:
        return None
    return {
        "schema": SEAL_SCHEMA,
        "site": site,
        "time": rfc3339(now_ns),
        "from_seq": first,
        "to_seq": through,
        "count": tree.leaves,
        "root": f"sha256:{tree.root().hex()}",
        "head": head,
        "previous_seal": last["hash"],
        "public_key": public_key,
    }


def leaf(record_hash: str) -> bytes:
    """Return the hash of a record (`sha256:…`) as the entry of a leaf: its 32 bytes."""
    return bytes.fromhex(record_hash.removeprefix("sha256:"))
