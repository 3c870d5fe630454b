"""The books: conservation from first to last counter, each interval from its own evidence, and the chain of hashes."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import rfc8785

from tests.soak.books import open_quanta
from tests.soak.delivery import time_ns
from tests.soak.finding import Finding
from tests.soak.rig import Evidence
from tests.soak.values import Frame

_GENESIS = "sha256:" + "0" * 64
_QUANTA = 1_000_000
_CHAINED = {"interval", "event", "gap", "evidence", "seal"}


def conserved(evidence: Evidence, everything: Mapping[str, list[Frame]]) -> Finding:
    """Expect that all intervals and what is open add up to the last counter minus the first, exactly."""
    finding = Finding("conservation")
    intervals = _by_account(evidence)
    total = 0
    for account, found in intervals.items():
        device = found[0]["device"]
        shown = _counter(everything[device], account)
        finding.problems += _explained(account, found, shown)
        first = found[0]["evidence"]["open_next"]["value"]
        last = evidence.books[account]["source"]["last"]
        finding.expect(last[0] // 1000 * 1000 in shown, f"{account}: its last reading was never served")
        rest = open_quanta(evidence.books[account]["intervals"])
        booked = sum((Decimal(repr(record["amount"])) for record in found), Decimal(0))
        whole = booked + Decimal(rest) / _QUANTA
        expected = Decimal(_quanta(last[2]) - _quanta(first)) / _QUANTA
        finding.expect(whole == expected, f"{account}: booked {whole}, the counter went on by {expected}")
        total += len(found)
    tracked = {*evidence.books}
    finding.expect(intervals.keys() == tracked, f"no interval of {sorted(tracked - intervals.keys())}")
    finding.figures["accounts"] = f"{len(intervals)}"
    finding.figures["closed intervals"] = f"{total:,}"
    finding.figures["sum of intervals and open rest"] = (
        "equals last minus first counter, exactly" if not finding.problems else "differs"
    )
    return finding


def _by_account(evidence: Evidence) -> dict[str, list[dict[str, Any]]]:
    """Return the latest revision of each interval by account, oldest first."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for message in evidence.records("interval"):
        body = message.body
        latest[body["account"], body["start"]] = body
    found: dict[str, list[dict[str, Any]]] = {}
    for (account, _), body in sorted(latest.items()):
        found.setdefault(account, []).append(body)
    return found


def _counter(found: list[Frame], account: str) -> dict[int, tuple[str, float | None]]:
    """Return registers and value of an account's counter by time of reading [ns]."""
    names = {"natural_gas": "gas_volume", "electricity": "active_energy_import"}
    name = names.get(account.partition("/")[2], "steam_mass")  # what has no device in its name is an output
    return {
        frame.time_ns: (point.octets(frame.words).hex(), point.value(frame.words))
        for frame in found
        for point in frame.points
        if point.name == name
    }


def _explained(account: str, found: list[dict[str, Any]], shown: Mapping[int, tuple[str, float | None]]) -> list[str]:
    """Return what is wrong with the intervals: not adjoining, or not what their evidence says."""
    finding = Finding(account)
    for record, following in pairwise(found):
        finding.expect(record["end"] == following["start"], f"{account}: a hole after {record['end']}")
    for record in found:
        where = f"{account} from {record['start']}"
        evidence = record["evidence"]
        finding.expect("decisions" not in evidence, f"{where}: {evidence.get('decisions')}")
        finding.expect(not set(evidence["rules"]) - {"first", "normal"}, f"{where}: rules {evidence['rules']}")
        for name in ("open", "open_next", "close", "close_next"):
            reading = evidence.get(name)
            if reading:
                served = shown.get(time_ns(reading["time"]))
                finding.expect(
                    served == (reading["registers"], reading["value"]), f"{where}: {name} is not what was served"
                )
        start = _at(record["start"], evidence.get("open"), evidence.get("open_next"))
        end = _at(record["end"], evidence.get("close"), evidence.get("close_next"))
        amount = Decimal(end - start) / _QUANTA
        finding.expect(
            amount == Decimal(repr(record["amount"])), f"{where}: {record['amount']}, its evidence says {amount}"
        )
    return finding.problems


def _at(boundary: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> int:
    """Return the counter at a boundary in quanta: on the line between the readings around it, rounded down."""
    if before is None or after is None:
        reading = before or after
        assert reading is not None
        return _quanta(reading["value"])
    since, until = time_ns(before["time"]), time_ns(after["time"])
    step = _quanta(after["value"]) - _quanta(before["value"])
    return _quanta(before["value"]) + step * (time_ns(boundary) - since) // (until - since)


def _quanta(value: float) -> int:
    return round(Fraction(value) * _QUANTA)


def chained(evidence: Evidence) -> Finding:
    """Expect that each record of the chain names the one before it and has the hash it says."""
    finding = Finding("chain of records")
    previous = _GENESIS
    records = [json.loads(record.payload) for record in evidence.stored if record.kind in _CHAINED]
    for record in records:
        own = record.pop("hash")
        record.pop("signature", None)
        digest = "sha256:" + hashlib.sha256(rfc8785.dumps(record)).hexdigest()
        finding.expect(record["previous"] == previous, f"record {record['seq']} does not follow the one before it")
        finding.expect(own == digest, f"record {record['seq']} has another hash than it says")
        previous = own
    finding.expect(bool(records), "no interval was closed")
    finding.figures["records"] = f"{len(records):,}"
    finding.figures["links and hashes"] = "intact" if not finding.problems else "broken"
    return finding
