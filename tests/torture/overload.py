"""Ten times more than the link carries, for an hour of simulated time."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.servers import running_mosquitto
from tests.soak.finding import Finding
from tests.soak.footprint import Footprint
from tests.soak.rig import running
from tests.torture.oracle import committed
from tests.torture.proxy import Link, proxied
from tests.torture.receivers import Received
from tests.torture.rig import subscriber, until

_TIMES = 10
_RECORD_BYTES = 800
_DEVICES = 50
_SIZE_TOLERANCE = 1.01
_MOST_GROWTH_MIB = 8.0
_DRAIN_S = 120.0


def overload(folder: Path, *, seconds: int, speed: float, max_size: int) -> Finding:
    """Feed so many simulated seconds at so many per second; every record must arrive or stand in a gap record."""
    finding = Finding(f"{_TIMES} times more than the link carries for {seconds / 60:g} simulated min")
    carried = _DEVICES * speed * _RECORD_BYTES / _TIMES
    with running_mosquitto(folder, settings="max_queued_messages 0") as broker, subscriber(broker.port, folder) as file:
        received = Received(file)
        link = Link(broker.port, bytes_per_s=carried)
        with proxied(link):
            command = [sys.executable, "-m", "tests.torture.feeder", str(folder), str(link.port)]
            command += [str(max_size), str(seconds), str(speed)]
            with running(command, folder / "feeder.log", stdin=subprocess.PIPE) as feeder:
                # What it takes to start is no growth, and a busy machine takes long over it.
                until((folder / "journal.txt").exists, "the feeder does not begin")
                footprint = Footprint(feeder.pid)
                footprint.start()
                largest = _watch(folder, feeder, seconds / speed)
                footprint.stop()
                before = len(received.read_on().arrivals)
                link.well()
                _until_quiet(received)
                assert feeder.stdin is not None
                feeder.stdin.close()
                feeder.wait(30)
            finding.expect(feeder.returncode == 0, f"the feeder ended with {feeder.returncode}")
        _sizes(finding, largest, max_size)
        _memory(finding, footprint)
        last = committed(folder / "store.db")
        _accounted(finding, received.read_on(), _journal(folder), last.last_seq)
        finding.figures["came while overloaded"] = f"{before:,}"
    return finding


def _watch(folder: Path, feeder: "subprocess.Popen[bytes]", planned_s: float) -> int:
    """Watch the store's files until all is fed; return their largest size together [bytes]."""
    largest = 0
    deadline = time.monotonic() + 3 * planned_s + 60
    while not (folder / "fed").exists():
        if feeder.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the feeder does not get on:\n{(folder / 'feeder.log').read_text(encoding='utf-8')}")
        sizes = [file.stat().st_size for file in (folder / "store.db", folder / "store.db-wal") if file.exists()]
        largest = max(largest, sum(sizes))
        time.sleep(0.01)
    return largest


def _until_quiet(received: Received) -> None:
    """Wait until nothing has come for two seconds."""
    seen, since = -1, time.monotonic()

    def quiet() -> bool:
        nonlocal seen, since
        count = len(received.read_on().arrivals)
        if count != seen:
            seen, since = count, time.monotonic()
        return time.monotonic() - since > 2

    until(quiet, "the receiver does not come to rest", timeout_s=_DRAIN_S)


def _sizes(finding: Finding, largest: int, max_size: int) -> None:
    finding.expect(largest <= max_size * _SIZE_TOLERANCE, f"the store took {largest:,} bytes, {max_size:,} are allowed")
    finding.figures["store"] = f"at most {largest:,} of {max_size:,} bytes ({largest / max_size:.1%})"


def _memory(finding: Finding, footprint: Footprint) -> None:
    samples = [entry.resident_mib for entry in footprint.samples]
    early, late = samples[len(samples) // 3], max(samples[len(samples) // 3 :])
    finding.expect(late - early < _MOST_GROWTH_MIB, f"memory grew by {late - early:.1f} MiB")
    finding.figures["memory"] = f"{early:.1f} MiB after a third, at most {late:.1f} MiB later"


def _journal(folder: Path) -> dict[int, str]:
    lines = (folder / "journal.txt").read_text(encoding="ascii").splitlines()
    return {int(seq): kind for seq, kind in (line.split() for line in lines)}


def _accounted(finding: Finding, received: Received, journal: dict[int, str], last_seq: int) -> None:
    """Expect every number at the subscriber, or inside a gap record that came, and its kind counted there."""
    came = {seq for _, seq in received.arrivals}
    missing = {seq: journal.get(seq, "gap") for seq in range(1, last_seq + 1) if seq not in came}
    ranges = [(gap["from_seq"], gap["to_seq"]) for gap in received.gaps]
    covered = {seq for first, final in ranges for seq in range(first, final + 1)}
    told: Counter[str] = Counter()
    for gap in received.gaps:
        told.update(gap["kinds"])
    kinds = Counter(missing.values())
    untold = missing.keys() - covered
    finding.problems += [
        f"record {seq} ({missing[seq]}) is gone and no gap record tells of it" for seq in sorted(untold)
    ]
    for kind in (told | kinds).keys() - {"gap"}:
        finding.expect(
            told[kind] >= kinds[kind], f"{kinds[kind]:,} {kind} records are gone, gap records tell of {told[kind]:,}"
        )
    surplus = sum((told - kinds).values())
    finding.expect(bool(missing), "nothing had to be dropped: this was no overload")
    finding.expect(not kinds["interval"], f"{kinds['interval']} intervals were dropped while telemetry was left")
    finding.expect(not received.altered, f"{len(received.altered)} numbers came with two contents")
    finding.figures["records fed / arrived / dropped"] = f"{len(journal):,} / {len(came):,} / {len(missing):,}"
    finding.figures["gap records"] = f"{len(received.gaps):,}, telling of {dict(told)}"
    finding.figures["told as dropped and arrived all the same"] = f"{surplus:,}"
