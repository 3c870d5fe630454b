"""The chain of a bundle's records: hashes, links, seals and their signatures, from the first record to the last."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agent.audit.merkle import Tree
from agent.bundle.key import public_key, signed_by
from agent.store import canonical, record_hash

Body = dict[str, Any]


@dataclass(slots=True)
class Links:
    """What came of following a chain: `wrong` is the first that does not hold, with its place."""

    records: int = 0
    seals: dict[int, str] = field(default_factory=dict)
    """Hash of each seal by its number."""
    keys: list[str] = field(default_factory=list)
    """Keys of the seals, in the order in which they appear."""
    sealed: int = 0
    """Records under seals that were checked."""
    wrong: str = ""


class _Broken(Exception):
    """Raised at the first record that does not hold; says why."""


def follow(records: Iterable[Body]) -> Links:
    """Follow a chain that begins behind what a seal covers, or at its very beginning."""
    links, walk = Links(), _Walk()
    try:
        for body in records:
            walk.take(body, links)
    except (_Broken, KeyError, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, _Broken) else f"is no record ({type(error).__name__}: {error})"
        links.wrong = f"line {links.records + 1}, {walk.named}: {why}"
    return links


class _Walk:
    def __init__(self) -> None:
        self.named = "a record"
        self._before = ""
        self._seq = self._first = 0
        self._epoch = ""
        self._open: list[tuple[int, str]] = []
        """Number and hash of the records that no seal has covered yet."""
        self._seal = ""

    def take(self, body: Body, links: Links) -> None:
        self.named = _name(body)
        if record_hash(body) != body["hash"]:
            raise _Broken("its hash is not that of what it says")
        if self._before and body["previous"] != self._before:
            raise _Broken("it does not name the record before it: one was left out, put in or changed")
        if body["epoch"] == self._epoch and body["seq"] <= self._seq:
            raise _Broken(f"its number does not follow {self._seq}")
        self._first = self._first or body["seq"]
        if str(body["schema"]).startswith("energy-agent/seal/"):
            self._check_seal(body, links)
        self._before, self._seq, self._epoch = body["hash"], body["seq"], body["epoch"]
        self._open.append((body["seq"], body["hash"]))
        links.records += 1

    def _check_seal(self, seal: Body, links: Links) -> None:
        key = public_key(seal["public_key"])
        if key is None:
            raise _Broken("it names no public key")
        try:
            signature = base64.b64decode(seal["signature"], validate=True)
        except binascii.Error as error:
            raise _Broken("its signature is none") from error
        if not signed_by(key, signature, canonical(seal)):
            raise _Broken("its signature is not of this seal by the key it names")
        if self._seal and seal["previous_seal"] != self._seal:
            raise _Broken("it does not name the seal before it")
        self._check_root(seal, links)
        self._seal = seal["hash"]
        links.seals[seal["seq"]] = seal["hash"]
        if seal["public_key"] not in links.keys:
            links.keys.append(seal["public_key"])

    def _check_root(self, seal: Body, links: Links) -> None:
        if seal["from_seq"] < self._first:
            return  # the seal that the records begin behind: what it covers is not here
        covered = [each for each in self._open if each[0] <= seal["to_seq"]]
        tree = Tree()
        for _, each in covered:
            tree.add(bytes.fromhex(each.removeprefix("sha256:")))
        root = f"sha256:{tree.root().hex()}"
        if (len(covered), root) != (seal["count"], seal["root"]):
            raise _Broken(f"it seals {seal['count']} records, of which those before it are not all, or not the same")
        self._open = self._open[len(covered) :]
        links.sealed += len(covered)


def _name(body: Body) -> str:
    kind = str(body.get("schema", "")).split("/")[1:2]
    what = f"{kind[0] if kind else 'record'} {body.get('seq', '')}".strip()
    where = body.get("account") or body.get("name") or ""
    when = body.get("start") or body.get("time") or ""
    return " ".join(part for part in (what, str(where), str(when)) if part)
