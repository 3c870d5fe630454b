"""Every record once: what the store holds, what the subscriber was given, what the database returns."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from drivers.reading import Quality
from tests.soak.finding import Finding, quantile
from tests.soak.rig import Evidence, Message

_TAGS = ("site", "area", "device", "account", "span")
_NUMBERED = ("telemetry", "window", "interval", "rollup", "figure", "alarm", "gap", "seal")
_KINDS = ("telemetry", "window", "interval")
_QUALITIES = {quality.label: float(quality) for quality in Quality}
_CLOSE = 2e-12
"""VictoriaMetrics keeps the first twelve digits of a value."""


def at_subscriber(evidence: Evidence) -> Finding:
    """Expect each number of the store once at the subscriber, and what the store still holds byte for byte."""
    finding = Finding("records at the subscriber (MQTT 5, QoS 1)")
    stored = {record.seq: record.payload for record in evidence.stored}
    came: dict[int, list[Message]] = {}
    for message in evidence.messages:
        if message.is_record:
            came.setdefault(message.body["seq"], []).append(message)
    written = set(range(1, evidence.last_seq + 1))
    missing = written - came.keys()
    finding.problems += [f"record {seq} did not come" for seq in sorted(missing)]
    finding.problems += [f"record {seq} was never written" for seq in sorted(came.keys() - written)]
    repeated = 0
    for seq, messages in sorted(came.items()):
        payloads = {message.payload for message in messages} | {stored.get(seq, messages[0].payload)}
        finding.expect(len(payloads) == 1, f"record {seq} is not what the store holds")
        # The retained copy of an alarm or a seal is the record itself, too.
        if len(messages) > 1 and messages[0].kind not in {"alarm", "seal"}:
            repeated += 1
            finding.problems.append(f"record {seq} ({messages[0].kind}) came {len(messages)} times")
    finding.expect(not evidence.records("gap"), "the store had to drop records")
    epochs = {messages[0].body["epoch"] for messages in came.values()}
    finding.expect(len(epochs) == 1, f"the numbers belong to {len(epochs)} epochs")
    finding.figures["records written"] = f"{evidence.last_seq:,}"
    for kind in _KINDS:
        finding.figures[f"{kind} records"] = f"{len(evidence.records(kind)):,}"
    finding.figures["missing / repeated"] = f"{len(missing)} / {repeated}"
    delays = [(message.received_ns - time_ns(message.body["time"])) / 1e6 for message in evidence.records("telemetry")]
    finding.figures["from reading to subscriber"] = (
        f"median {quantile(delays, 0.5):.0f}, p99 {quantile(delays, 0.99):.0f}, max {max(delays, default=0):.0f} ms"
    )
    _orderly(evidence, finding)
    return finding


def _orderly(evidence: Evidence, finding: Finding) -> None:
    """Expect the records of each topic in the order in which they were written."""
    last: dict[str, int] = {}
    for message in evidence.messages:
        if message.kind in _KINDS:
            seq = message.body["seq"]
            finding.expect(seq > last.get(message.topic, 0), f"{message.topic}: record {seq} came out of order")
            last[message.topic] = seq


Sample = tuple[tuple[str, ...], int]
"""Name and tags of a series, and a time [ms]."""


def in_database(evidence: Evidence) -> Finding:
    """Compare every number of every record with what the database returns."""
    finding = Finding("records in VictoriaMetrics (InfluxDB v2 API)")
    expected: dict[Sample, list[float]] = {}
    records = {message.body["seq"]: message for message in evidence.messages if message.is_record}
    for message in records.values():
        if message.kind in _NUMBERED:
            for series, time_ms, value in _numbers(message.kind, message.body):
                expected.setdefault((series, time_ms), []).append(value)
    found: dict[Sample, list[float]] = {}
    for entry in evidence.series:
        series = (entry["metric"]["__name__"], *(entry["metric"].get(tag, "") for tag in _TAGS))
        for time_ms, value in zip(entry["timestamps"], entry["values"], strict=True):
            found.setdefault((series, time_ms), []).append(value)
    missing = expected.keys() - found.keys()
    unknown = found.keys() - expected.keys()
    finding.problems += [f"{_name(sample)} is missing" for sample in sorted(missing)]
    finding.problems += [f"{_name(sample)} was never recorded" for sample in sorted(unknown)]
    worst, repeats = 0.0, 0
    for sample in expected.keys() & found.keys():
        wanted, got = sorted(expected[sample]), sorted(found[sample])
        if len(wanted) != len(got):
            repeats += 1
            finding.problems.append(f"{_name(sample)} stands {len(got)} times, not {len(wanted)}")
            continue
        for one, other in zip(wanted, got, strict=True):
            apart = abs(one - other) / max(abs(one), 1e-9)
            worst = max(worst, apart)
            finding.expect(apart <= _CLOSE, f"{_name(sample)} is {other!r}, not {one!r}")
    finding.figures["series"] = f"{len(evidence.series):,}"
    finding.figures["samples"] = f"{sum(map(len, found.values())):,} of {sum(map(len, expected.values())):,}"
    for kind in _KINDS:
        numbers = Counter(int(v) for (series, _), got in found.items() if series[0] == f"{kind}_seq" for v in got)
        wanted_numbers = {seq for seq, message in records.items() if message.kind == kind}
        finding.expect(set(numbers) == wanted_numbers, f"the numbers of the {kind} records differ")
        finding.figures[f"{kind} records"] = f"{len(numbers):,}, each {max(numbers.values(), default=0)} times"
    finding.figures["missing / repeated"] = f"{len(missing)} / {repeats}"
    finding.figures["largest relative difference"] = f"{worst:.1e}"
    return finding


def _numbers(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], int, float]]:
    """Yield series, time [ms] and value of each number of a record, after the contract's section 6."""
    tags = {**body, "account": body.get("intensity") or body.get("figure") or body.get("account")}
    if kind == "rollup":
        tags["span"] = body.get("shift") or body["period"]
    labels = tuple(str(tags.get(tag) or "") for tag in _TAGS)
    moment = body.get("start") or body.get("since") or body["time"]
    prefix = f"{body['alarm']}_" if kind == "alarm" else ""
    numbers = {prefix + key: value for key, value in body.items()} | body.get("values", {})
    if kind == "seal":
        numbers |= {"root": 0, "head": 0, "signature": 0}  # what VictoriaMetrics makes of texts
        numbers["root_prefix"] = int(body["root"].removeprefix("sha256:")[:12], 16)
    quality = body.get("quality")
    # Of telemetry by value; it stands in the database as its code.
    named = {f"quality_{key}": label for key, label in quality.items()} if isinstance(quality, Mapping) else {}
    codes = {key: _QUALITIES.get(label) for key, label in (named or {"quality": quality}).items()}
    for key, value in (numbers | codes).items():
        if isinstance(value, int | float):
            yield (f"{kind}_{key}", *labels), time_ns(moment) // 1_000_000, float(value)


def time_ns(text: str) -> int:
    """Return a time of a record (Unix, ns)."""
    moment = datetime.fromisoformat(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _name(sample: Sample) -> str:
    (name, *tags), time_ms = sample
    return f"{name}{{{','.join(filter(None, tags))}}} at {time_ms}"
