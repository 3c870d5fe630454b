"""Whether records of the chain are what the agent wrote: hashes, links, seals, and seals received outside.

Pure: records come in as they stand in the store, in their order, and nothing is read besides.

Invariants:
- What does not hold is a finding, with the number of the first record it concerns; what cannot be told, or was told
  by the agent itself in a gap record, is a remark.
- A record may be missing without a finding only where a gap record says that records of the chain were dropped there.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from agent.audit.chain_report import ChainReport, Moment
from agent.audit.finding import Finding, spelled
from agent.audit.merkle import Tree
from agent.audit.sealing import leaf
from agent.audit.signature import is_hash, sound_seal
from agent.audit.trusted import Trusted
from agent.counted import counted
from agent.record import CHAINED, GAP, SEAL
from agent.store import GENESIS, record_hash
from drivers.value import frozen

Body = Mapping[str, Any]
NOTHING = Trusted()
"""Where nothing is known from elsewhere."""
_MOST_FOUND = 10_000


@frozen
class _Break:
    """Records that do not follow each other, as one says."""

    before: int
    after: int
    finding: Finding


class Chain:
    """Takes records one by one, and says at the end whether they hold."""

    def __init__(self, trusted: Trusted, *, part: bool = False) -> None:
        """`part` says that the records are meant to be a part of the chain, which others follow."""
        self.report = ChainReport()
        self._known = trusted
        self._keys: dict[str, set[str]] = {}
        """The keys that are trusted, by each site of the records."""
        self._part = part
        self._last: Body | None = None
        self._pending: list[tuple[int, str]] = []
        """Number and hash of each record that is under no seal yet."""
        self._breaks: list[_Break] = []
        self._under: list[_Break] = []
        """What seals do not find, with the numbers they are over."""
        self._strange: set[tuple[str, str]] = set()
        """Keys that are not trusted and were told of, each with its site."""
        self._seals: dict[int, Body] = {}
        self._taken = 0
        self._found: list[Finding] = []

    def take(self, payload: bytes) -> Body | None:
        """Take the next record, as it is stored and sent; return what it says, None when that is no record."""
        body = decoded(payload)
        report = self.report
        self._taken += 1
        if body is None:
            behind = f"the record behind {report.last.seq}" if report.last else "the first record"
            if len(self._found) < _MOST_FOUND:  # a forged file may be full of them
                self._found.append(Finding(behind, "is no record of the chain as the agent writes it", self._taken))
            return None
        seq, kind = body["seq"], kind_of(body)
        if (site := str(body.get("site"))) not in self._keys:
            self._keys[site] = self._known.keys_of(site)
        report.records += 1
        report.kinds[kind] = report.kinds.get(kind, 0) + 1
        self._check_hash(body)
        self._check_place(body)
        if kind == GAP:
            self._gap(body)
        elif kind == SEAL:
            self._seal(body)
        elif body.get("name") == "store_damaged":
            report.forgotten = True
        self._pending.append((seq, str(body["hash"])))
        report.last = Moment(seq, _dated(body))
        self._last = body
        return body

    def end(self) -> ChainReport:
        """Judge what only the end can tell, and return the report; findings come in the order of the records."""
        report = self.report
        report.unsealed = len(self._pending)
        broken: list[Finding] = []
        silent = dict.fromkeys(self.report.gaps)
        for each in (*self._breaks, *self._under):
            gap = next((span for span in self.report.gaps if span[0] < each.after and span[1] > each.before), None)
            if gap:
                silent.pop(gap, None)
            if gap and each.after - each.before > 1:
                report.remarks.append(
                    f"between records {each.before} and {each.after} the agent had to drop records, as it says itself"
                )
            else:
                broken.append(each.finding)
        # Behind an older copy of the store that was put back the chain goes on without a break.
        for first, through in silent:
            if report.first and first > report.first.seq:
                report.remarks.append(f"{spelled(first, through, 'is', 'are')} lost, as the agent says itself")
        report.remarks = [*dict.fromkeys(report.remarks)]
        report.findings += sorted([*broken, *self._found], key=lambda finding: finding.line)
        self._compare()
        return report

    def _check_hash(self, body: Body) -> None:
        try:
            digest = record_hash(body)
        except ValueError:
            digest = ""
        if digest != body["hash"]:
            # Its own number may be what was changed.
            where = f" behind record {self._last['seq']}" if self._last else ""
            self._wrong(body, f"was changed{where}: its content has another hash than it says")

    def _check_place(self, body: Body) -> None:
        last, seq, previous = self._last, body["seq"], body["previous"]
        if last is None:
            self.report.first = Moment(seq, _dated(body))
            self.report.from_the_beginning = previous == GENESIS
        elif seq == last["seq"]:
            self._wrong(body, "stands there twice")
        elif seq < last["seq"]:
            self._wrong(body, f"stands behind record {last['seq']}: the order was changed")
        elif previous != last["hash"]:
            if previous == GENESIS:
                what = f"begins a new chain behind record {last['seq']}"
            else:
                what = f"does not follow record {last['seq']}: a record between them is missing, or one was changed"
            self._breaks.append(_Break(last["seq"], seq, Finding(named(body), what, self._taken)))

    def _gap(self, body: Body) -> None:
        kinds = body.get("kinds")
        span = body.get("from_seq"), body.get("to_seq")
        told = isinstance(kinds, Mapping) and (not kinds or CHAINED & kinds.keys())
        if told and isinstance(span[0], int) and isinstance(span[1], int):
            self.report.gaps.append((span[0], span[1]))

    def _seal(self, body: Body) -> None:
        report = self.report
        if reason := sound_seal(body):
            self._wrong(body, reason)
            return
        key = str(body["public_key"])
        report.seals += 1
        if key not in report.keys:
            report.keys.append(key)
        site = str(body.get("site"))
        trusted = self._keys[site]
        wanted = "the one that is trusted" if trusted else "the seals before it"
        if key not in (trusted or report.keys[:1]) and (site, key) not in self._strange:
            self._strange.add((site, key))  # told of once, not with each seal
            self._wrong(body, f"is the first that is signed by another key than {wanted}: {key}")
        self._check_covered(body)
        latest = max(self._seals.values(), key=lambda seal: int(seal["seq"]), default=None)
        self._check_previous_seal(body, latest)
        self._seals[body["seq"]] = body
        report.sealed = Moment(body["to_seq"], str(body.get("time")))

    def _check_covered(self, seal: Body) -> None:
        """Hold the records under a seal against its root, count and head."""
        first, through = seal["from_seq"], seal["to_seq"]
        under = [entry for entry in self._pending if first <= entry[0] <= through]
        bare = [entry for entry in self._pending if entry[0] < first]
        self._pending = [entry for entry in self._pending if entry[0] > through]
        begun = self.report.first
        if begun and begun.seq > first and not self.report.from_the_beginning:
            if under:
                whole = counted(seal["count"], "record", "records")
                self.report.remarks.append(
                    f"of the {whole} under seal {seal['seq']}, those before {begun.seq} are not here"
                )
            return
        if bare and self._seals:
            self._wrong(seal, f"leaves out record {bare[0][0]}, which no seal is over")
        tree = Tree()
        for _, digest in under:
            tree.add(leaf(digest) if is_hash(digest) else b"")  # what is none was found to be wrong already
        root = f"sha256:{tree.root().hex()}"
        head = under[-1][1] if under else ""
        if (root, len(under), head) != (seal["root"], seal["count"], seal["head"]):
            what = f"is over {counted(seal['count'], 'record', 'records')}, {first} to {through}"
            if len(under) < seal["count"]:
                what = f"{what}, of which {counted(len(under), 'is', 'are')} here"
                self._under.append(_Break(first - 1, through + 1, Finding(named(seal), what, self._taken)))
            else:
                self._wrong(seal, f"{what}, which are not those that are here")

    def _check_previous_seal(self, seal: Body, latest: Body | None) -> None:
        before = seal["previous_seal"]
        if latest is not None and before != latest["hash"]:
            what = f"does not name seal {latest['seq']} as the one before it: a seal is missing or was changed"
            self._under.append(_Break(latest["seq"], seal["seq"], Finding(named(seal), what, self._taken)))
        elif latest is None and before != GENESIS and self.report.from_the_beginning:
            self._wrong(seal, "names a seal before it, which is not here although the chain is here from its beginning")

    def _compare(self) -> None:
        """Hold the seals that are here against those received outside."""
        report = self.report
        every, ours = self._known.seals or (), self._known.seals_of(self._keys)
        if every and self._keys and not ours:
            theirs = ", ".join(sorted({str(seal.body.get("site")) for seal in every}))
            report.foreign = f"of site {theirs}, these records of {', '.join(sorted(self._keys))}"
        for outside in ours:
            seal, seq = outside.body, int(outside.body["seq"])
            here = self._seals.get(seq)
            if here is not None and here["hash"] == seal["hash"]:
                report.confirmed += 1
                report.vouched = Moment(seal["to_seq"], str(seal.get("time")))
            elif report.first is None or seq < report.first.seq or (self._part and self._beyond(seq)):
                report.elsewhere += 1
            else:
                report.findings.append(Finding(f"{named(seal)} ({outside.place})", self._unlike(seal, here)))

    def _beyond(self, seq: int) -> bool:
        return self.report.last is None or seq > self.report.last.seq

    def _unlike(self, seal: Body, here: Body | None) -> str:
        last = self.report.last
        were = spelled(seal["from_seq"], seal["to_seq"], "which it is over, was", "which it is over, were", ", ")
        if last is not None and self._beyond(seal["seq"]):
            return f"was received outside, but the records here end with {last.seq}: what came later was taken away"
        if here is None:
            return f"was received outside and is not here: {were} rewritten or taken away"
        if here["root"] != seal["root"]:
            return f"is another here than the one received outside: {were} rewritten"
        return "is another here than the one received outside: it was made again over the same records"

    def _wrong(self, body: Body, what: str) -> None:
        self._found.append(Finding(named(body), what, self._taken))


def verify_chain(
    payloads: Iterable[bytes],
    trusted: Trusted = NOTHING,
    *,
    part: bool = False,
    on_record: Callable[[Body], object] = lambda _: None,
) -> ChainReport:
    """Return whether records hold, as they stand in the store or in a file, in the order of their numbers.

    Without any key that is trusted, all seals must be by the key of the first. `part` says that the records are meant
    to be a part of the chain, which others follow. `on_record` is told each record as it is read.
    """
    chain = Chain(trusted, part=part)
    for payload in payloads:
        if body := chain.take(payload):
            on_record(body)
    return chain.end()


def kind_of(body: Body) -> str:
    """Return the kind of a decoded record, as its schema says."""
    return str(body.get("schema", "")).removeprefix("energy-agent/").partition("/")[0]


def time_of(body: Body) -> str:
    """Return the time a record is of: of an interval its start."""
    return str(body.get("start") or body.get("time") or "")


def _dated(body: Body) -> str:
    """Return the time by which records follow each other: an interval is recorded when it is over."""
    return str(body.get("end") or body.get("time") or "")


def named(body: Body) -> str:
    """Return a record in words: its number, and what it is."""
    kind = kind_of(body)
    about = " ".join(str(body[key]) for key in ("what", "account", "name") if key in body)
    return f"record {body['seq']} ({' '.join(part for part in (kind, about, time_of(body)) if part)})"


def decoded(payload: bytes) -> Body | None:
    """Return a record of the chain, None for anything that is not word for word as the agent writes it."""
    try:
        body = orjson.loads(payload)
        as_written = isinstance(body, dict) and orjson.dumps(body) == payload
    except (ValueError, TypeError):  # no JSON, or nested deeper than the agent could write
        return None
    if not as_written:
        return None
    seq, texts = body.get("seq"), (body.get("previous"), body.get("hash"))
    right = type(seq) is int and seq > 0 and all(isinstance(text, str) for text in texts)
    return body if right and kind_of(body) in CHAINED else None
