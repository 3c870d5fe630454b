"""Values at the subscriber against what the simulators served, to the bit, and whether each poll came in its time."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.soak import registers
from tests.soak.delivery import time_ns
from tests.soak.finding import Finding, quantile
from tests.soak.registers import Point
from tests.soak.rig import Evidence, Message
from tests.soak.works import Device

_NS = 1_000_000_000
_PERIODS_S = {"1s": 1, "10s": 10}

Word = dict[tuple[int, int], bytes]


@dataclass(slots=True)
class Frame:
    """One message, the registers that were served for it, and the cadence whose points it holds."""

    message: Message
    time_ns: int
    words: Word
    points: list[Point] = field(default_factory=list)
    every: str = ""


def frames(evidence: Evidence, device: Device) -> Iterator[Frame]:
    """Yield a device's messages with what was served since the message before.

    A line asks one thing at a time and stamps a message when its last reply came, so time alone tells which answers
    belong to which message.
    """
    served = iter([entry for entry in evidence.served if (entry["line"], entry["unit"]) == (device.line, device.unit)])
    ahead = next(served, None)
    for message in evidence.records("telemetry"):
        if message.body["device"] != device.name:
            continue
        moment = time_ns(message.body["time"])
        words: Word = {}
        while ahead is not None and ahead["time_ns"] < moment + 1000:  # the message's time is cut to microseconds
            words |= _words(ahead)
            ahead = next(served, None)
        yield Frame(message, moment, words)


def _words(entry: Mapping[str, Any]) -> Word:
    data = bytes.fromhex(entry["data"])
    return {(entry["function"], entry["address"] + n): data[2 * n : 2 * n + 2] for n in range(entry["count"])}


def to_the_bit(evidence: Evidence) -> tuple[Finding, dict[str, list[Frame]]]:
    """Compare every value of every message with the registers served for it."""
    finding = Finding("values at the subscriber against the registers served")
    everything: dict[str, list[Frame]] = {}
    compared = uncertain = 0
    for device in evidence.devices:
        points = registers.load(device.profile)
        cadences = {every: [point for point in points if point.every == every] for every in _PERIODS_S}
        found = everything[device.name] = list(frames(evidence, device))
        for frame in found:
            body = frame.message.body
            _recognise(frame, cadences)
            where = f"{device.name} at {body['time']}"
            if not frame.points:
                finding.problems.append(f"{where}: no served registers hold its {len(body['values'])} values")
                continue
            expected = {point.key: point.value(frame.words) for point in frame.points}
            finding.expect(not body["values"].keys() - expected.keys(), f"{where}: values that were never served")
            for key, value in expected.items():
                if value is None or key in body.get("quality", {}):
                    uncertain += 1
                    finding.expect(key in body.get("quality", {}), f"{where}: {key} has no quality")
                    finding.expect(value is not None or key not in body["values"], f"{where}: {key} was invented")
                else:
                    compared += 1
                    got = body["values"].get(key)
                    same = isinstance(got, float) and struct.pack(">d", got) == struct.pack(">d", value)
                    finding.expect(same, f"{where}: {key} is {got!r}, served was {value!r}")
    finding.expect(compared > 0, "nothing was compared")
    finding.figures["values compared"] = f"{compared:,}"
    finding.figures["not good, and said so"] = f"{uncertain:,}"
    finding.figures["different"] = f"{len(finding.problems)}"
    return finding, everything


def _recognise(frame: Frame, cadences: Mapping[str, list[Point]]) -> None:
    """Find the cadence of a message: the one whose keys it says, in values or in quality."""
    said = frame.message.body["values"].keys()
    for every, points in cadences.items():
        keys = {point.key for point in points}
        served = all(place in frame.words for point in points for place in point.places)
        if said and said <= keys and served:
            frame.points, frame.every = points, every
            return


def on_time(evidence: Evidence, everything: Mapping[str, list[Frame]]) -> Finding:
    """Expect one message per device, cadence and period, without a hole; report how late readings were."""
    finding = Finding("polls on time")
    lateness: list[float] = []
    polls = 0
    for name, found in everything.items():
        for every, period_s in _PERIODS_S.items():
            # The first reading of all is made at once, off the beat.
            times = [frame.time_ns for frame in found if frame.every == every][1:]
            polls += len(times)
            slots = [moment // (period_s * _NS) for moment in times]
            lateness += [(moment % (period_s * _NS)) / 1e6 for moment in times]
            for slot, following in pairwise(slots):
                finding.expect(
                    following == slot + 1, f"{name}: {following - slot - 1} readings of {every} left out after {slot}"
                )
    for line in evidence.state["lines"]:
        name = line["line"]
        finding.figures[f"line {name}"] = (
            f"begun late by mean {line['lateness_mean_ms']:.1f} ms, p99 at most {line['lateness_p99_ms']:g} ms, "
            f"max {line['lateness_max_ms']:.0f} ms; busy {line['utilisation']:.1%}; {line['requests']:,} requests"
        )
        failed = {key: line[key] for key in ("timeouts", "bad_replies", "exceptions") if line[key]}
        finding.expect(not failed, f"line {name}: {failed}")
    skipped = sum(device["skipped"] for device in evidence.state["devices"])
    failures = sum(device["failures"] for device in evidence.state["devices"])
    finding.expect(not skipped, f"{skipped} polls skipped")
    finding.expect(not failures, f"{failures} polls failed")
    finding.figures["polls seen at the subscriber"] = f"{polls:,} on the beat, {skipped} skipped"
    finding.figures["begun late by"] = _histogram(evidence)
    shares = ", ".join(f"{name} {quantile(lateness, share):.0f}" for name, share in (("median", 0.5), ("p99", 0.99)))
    finding.figures["value read, after the beat"] = f"{shares}, max {max(lateness, default=0):.0f} ms"
    return finding


def _histogram(evidence: Evidence) -> str:
    """Return the agent's own distribution of lateness over all lines, by powers of two."""
    lines = evidence.state["lines"]
    sums = [sum(column) for column in zip(*(line["lateness_buckets_ms"] for line in lines), strict=True)]
    total = sum(sums) or 1
    return ", ".join(f"< {2**exponent} ms {count / total:.1%}" for exponent, count in enumerate(sums) if count)
