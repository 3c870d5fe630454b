"""Broker and database gone for a simulated day with fifty devices, then back while the agent goes on reading."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.record import rfc3339
from agent.store import Store
from tests.servers import Database
from tests.soak.finding import Finding, quantile
from tests.torture.judge import Expected, all_came
from tests.torture.oracle import committed
from tests.torture.receivers import Received
from tests.torture.rig import Rig, RunningAgent, rig, until
from tests.torture.works import SITE

_NS = 1_000_000_000
_PERIOD_S = 1.0
_AIM = 5000.0
_DEVICES = 50
_INTERVAL_S = 900


def outage(folder: Path, *, hours: float, every_s: float, aim: float) -> Finding:
    """Fill the store as a day without receivers would, start the agent on it, then the receivers.

    Expects at least `aim` records/s at the subscriber; the agent has one core for all it does.
    """
    finding = Finding(f"{hours:g} h without broker and database, {_DEVICES} devices")
    with rig(folder, motors=_DEVICES) as parts:
        parts.write_config(every="1s", interval="15min", publish="10s", max_size="1GiB", commit_every="1s")
        parts.broker.server.stop()
        parts.database.server.stop()
        began = time.monotonic()
        start_ns = time.time_ns() // _NS * _NS - round(hours * 3600) * _NS
        digests = asyncio.run(_fill(parts, start_ns, hours, every_s))
        finding.figures["records of the outage"] = f"{len(digests):,}, filled in {time.monotonic() - began:.0f} s"
        received = Received(parts.messages)
        with parts.agent() as agent:
            _on_one_core(agent)
            until(agent.online, "the agent does not start on a full store", timeout_s=10)
            time.sleep(2)
            back_ns = time.time_ns()
            parts.broker.server.start()
            parts.database.server.start()
            database_s = _drained(agent, "influx", max(digests), back_ns)
            _drained(agent, "mqtt", max(digests), back_ns)
            agent.catch_up(timeout_s=60)
            code, _ = agent.stop()
        finding.expect(code == 0, f"exit code {code}")
        expected = Expected()
        expected.see(last := committed(parts.store))
        all_came(finding, expected, received, parts.database, last)
        _as_written(finding, received, digests)
        _original_times(finding, parts.database, start_ns, hours, every_s)
        _rates(finding, received, digests, back_ns, database_s, aim)
        _live(finding, received, digests, back_ns)
    return finding


async def _fill(parts: Rig, start_ns: int, hours: float, every_s: float) -> dict[int, bytes]:
    """Write what an agent without receivers would have; return the digests of all records by number."""
    parts.store.parent.mkdir(exist_ok=True)
    store = Store(parts.store, max_size=1 << 30, commit_every_s=1, sinks=("mqtt", "influx"), site=SITE)
    await store.open()
    digests: dict[int, bytes] = {}
    for number, (kind, key, moment_ns, body) in enumerate(_day(start_ns, hours, every_s)):
        record = store.append(kind, key, moment_ns, body)
        digests[record.seq] = hashlib.blake2b(record.payload, digest_size=8).digest()
        if number % 2000 == 0:
            await store.flush()
    await store.close()
    return digests


def _day(start_ns: int, hours: float, every_s: float) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    for step in range(round(hours * 3600 / every_s)):
        moment_ns = start_ns + round(step * every_s * _NS)
        for device in range(1, _DEVICES + 1):
            name = f"motor-{device}"
            head = {"site": SITE, "area": "hall", "device": name}
            values = {f"quantity_{n}_kw": (step * 31 + device * 7 + n) / 8 for n in range(18)}
            body = {"schema": "energy-agent/telemetry/1", **head, "time": rfc3339(moment_ns), "values": values}
            yield "telemetry", f"hall/{name}", moment_ns, body
            if round(step * every_s) % _INTERVAL_S == 0:
                account = {**head, "account": f"{name}/electricity", "start": rfc3339(moment_ns), "amount": step / 4}
                yield "interval", f"hall/{name}", moment_ns, {"schema": "energy-agent/interval/1", **account}


def _on_one_core(agent: RunningAgent) -> None:
    cores = os.sched_getaffinity(agent.process.pid)
    os.sched_setaffinity(agent.process.pid, {min(cores)})


def _drained(agent: RunningAgent, sink: str, last: int, back_ns: int) -> float:
    """Wait until a sink has everything up to a number; return how long that took from `back_ns` on [s]."""

    def reached() -> bool:
        found = agent.state().get("store", {}).get("sinks", {})
        oldest = found[sink]["oldest_seq"] if found else 0
        return oldest is None or oldest > last

    until(reached, f"{sink} does not drain", timeout_s=600, pause_s=0.2)
    return (time.time_ns() - back_ns) / 1e9


def _as_written(finding: Finding, received: Received, digests: dict[int, bytes]) -> None:
    epochs = {epoch for epoch, _ in received.arrivals}
    changed = [
        seq for epoch in epochs for seq, digest in digests.items()
        if (arrival := received.arrivals.get((epoch, seq))) is not None and arrival.digest != digest
    ]  # fmt: skip
    finding.expect(len(epochs) == 1, f"{len(epochs)} epochs")
    finding.problems += [f"record {seq} is not what was written" for seq in changed]


def _original_times(finding: Finding, database: Database, start_ns: int, hours: float, every_s: float) -> None:
    """Expect the readings of a device in the database at the times at which they were taken."""
    wanted = {(start_ns + round(n * every_s * _NS)) // 1_000_000 for n in range(round(hours * 3600 / every_s))}
    found = database.by_time(f'telemetry_quantity_1_kw{{site="{SITE}",device="motor-7"}}').keys()
    finding.expect(
        found == wanted, f"times in the database: {len(wanted - found)} missing, {len(found - wanted)} others"
    )


def _rates(
    finding: Finding, received: Received, digests: dict[int, bytes], back_ns: int, database_s: float, aim: float
) -> None:
    times = sorted(a.received_ns for (_, seq), a in received.arrivals.items() if seq in digests)
    both = [moment for moment in times if moment <= back_ns + round(database_s * _NS)]
    alone = times[len(both) :]
    rate, took = _rate(times)
    finding.expect(rate >= aim, f"{rate:,.0f} records/s to the broker are less than {aim:,.0f}")
    finding.figures["to Mosquitto, agent on one core"] = f"{rate:,.0f} records/s ({took:.1f} s)"
    for name, part in (("while the database drained, too", both), ("once the database had everything", alone)):
        if len(part) > len(times) // 10:
            finding.figures[f"to Mosquitto {name}"] = f"{_rate(part)[0]:,.0f} records/s"
    finding.figures["to VictoriaMetrics"] = (
        f"{len(digests) / database_s:,.0f} records/s ({database_s:.1f} s from its start)"
    )


def _rate(times: list[int]) -> tuple[float, float]:
    """Return records per second, and seconds."""
    took = max((times[-1] - times[0]) / 1e9, 1e-9)
    return len(times) / took, took


def _live(finding: Finding, received: Received, digests: dict[int, bytes], back_ns: int) -> None:
    """Expect readings taken while the backlog drained to come while they are young."""
    backlog = [a.received_ns for (_, seq), a in received.arrivals.items() if seq in digests]
    first, last = min(backlog), max(backlog)
    ages = [
        (arrival.received_ns - arrival.time_ns) / 1e9
        for (_, seq), arrival in received.arrivals.items()
        if arrival.kind == "telemetry" and seq not in digests and first + _NS < arrival.time_ns < last
    ]
    finding.expect(
        not ages or max(ages) < 2 * _PERIOD_S, f"values were {max(ages, default=0):.1f} s old while the backlog drained"
    )
    finding.figures["age of live values meanwhile"] = (
        f"median {quantile(ages, 0.5):.2f}, p99 {quantile(ages, 0.99):.2f}, max {max(ages, default=0):.2f} s "
        f"({len(ages)} values; first record {(first - back_ns) / 1e9:.1f} s after the broker was back)"
    )
