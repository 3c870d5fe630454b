"""A chain with seals as an agent makes it, in memory."""

import base64
from collections.abc import Sequence
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.merkle import Tree
from agent.audit.public_key import public_text
from agent.audit.sealing import leaf, signer
from agent.store import GENESIS, canonical, record_hash
from agent.store.chain import link

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))


class Records:
    """Records of a chain: other numbers lie between, as telemetry takes them."""

    def __init__(self, key: Ed25519PrivateKey = KEY, site: str = "works") -> None:
        self.site = site
        self.payloads: list[bytes] = []
        self.key = key
        self.seq, self.head = 0, GENESIS
        self.sealed: dict[str, Any] = {"to_seq": 0, "hash": GENESIS}

    def add(self, kind: str, **said: Any) -> dict[str, Any]:
        """Append a record."""
        self.seq += 3
        body = {"schema": f"energy-agent/{kind}/1", "site": self.site, "time": f"2026-11-20T08:{self.seq % 60:02}:00Z"}
        sign = signer(self.key) if kind == "seal" else None
        payload, self.head = link({**body, **said, "seq": self.seq, "epoch": "e"}, self.head, sign)
        self.payloads.append(payload)
        found: dict[str, Any] = orjson.loads(payload)
        return found

    def interval(self, amount: float = 1.25) -> dict[str, Any]:
        return self.add("interval", account="boiler-1/natural_gas", amount=amount)

    def seal(self, **said: Any) -> dict[str, Any]:
        """Append a seal over everything since the last one."""
        under = [body for body in self.bodies() if body["seq"] > self.sealed["to_seq"]]
        key = public_text(self.key.public_key())
        self.sealed = self.add("seal", **over(under), previous_seal=self.sealed["hash"], public_key=key, **said)
        return self.sealed

    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(payload) for payload in self.payloads]

    def index(self, seq: int) -> int:
        return next(place for place, body in enumerate(self.bodies()) if body["seq"] == seq)


def works(
    *,
    seals: int = 3,
    between: int = 4,
    key: Ed25519PrivateKey = KEY,
    site: str = "works",
    amounts: Sequence[float] = (),
) -> Records:
    """Return a chain with evidence, intervals and seals; `amounts` replace those of the first intervals."""
    records = Records(key, site)
    records.add("evidence", what="software", name="energy-agent", version="0.1.0")
    given = list(amounts)
    for _ in range(seals):
        for _ in range(between):
            records.interval(given.pop(0) if given else 1.25)
        records.seal()
    return records


def rechained(payloads: Sequence[bytes], key: Ed25519PrivateKey = KEY) -> list[bytes]:
    """Return records with all hashes, links, roots and signatures made anew: what whoever holds the key can do."""
    done, head, sealed = list[bytes](), GENESIS, (0, GENESIS)
    for payload in payloads:
        body = orjson.loads(payload)
        said = {name: body[name] for name in body if name not in {"previous", "hash", "signature"}}
        is_seal = body["schema"] == "energy-agent/seal/1"
        if is_seal:
            made = [orjson.loads(each) for each in done]
            under = [each for each in made if sealed[0] < each["seq"] <= body["to_seq"]]
            said |= over(under) | {"previous_seal": sealed[1], "public_key": public_text(key.public_key())}
        linked, head = link(said, head, signer(key) if is_seal else None)
        sealed = (said["to_seq"], head) if is_seal else sealed
        done.append(linked)
    return done


def over(under: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a seal over records says of them."""
    tree = Tree()
    for body in under:
        tree.add(leaf(body["hash"]))
    return {
        "from_seq": under[0]["seq"],
        "to_seq": under[-1]["seq"],
        "count": len(under),
        "root": f"sha256:{tree.root().hex()}",
        "head": under[-1]["hash"],
    }


def changed(payload: bytes, **said: Any) -> bytes:
    """Return a record that says something else, its hash made to fit."""
    body = {**orjson.loads(payload), **said}
    return orjson.dumps({**body, "hash": record_hash(body)})


def resigned(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return a seal by another key."""
    body = {**orjson.loads(payload), "public_key": public_text(key.public_key())}
    body["signature"] = base64.b64encode(key.sign(canonical(body))).decode()
    return orjson.dumps({**body, "hash": record_hash(body)})
