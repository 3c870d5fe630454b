"""A disk that fills, turns read-only, or errors, while the agent runs and while it starts."""

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.soak.finding import Finding
from tests.torture.judge import Expected, all_came, booked_once
from tests.torture.oracle import committed
from tests.torture.receivers import Received
from tests.torture.rig import Rig, RunningAgent, rig, until
from tests.torture.shim import Shim

_EVERY_S = 0.2
_NOTICING_NS = 500_000_000
_NOTICED_S = 5.0
_RECOVERED_S = 10.0
_OLDEST_S = 3.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a disk fails."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None]
    words: tuple[str, ...]
    """What must stand in the reason that the agent gives, one of them."""


def disk(folder: Path, *, seconds: float, faults: int) -> Finding:
    """Let each of the first faults last so long; values must go on live, and everything be stored again afterwards.

    Then the agent is started on such a disk.
    """
    finding = Finding("a disk that fills, turns read-only or errors")
    with rig(folder, motors=10) as parts, _small_disk(parts) as ballast:
        shim = Shim(folder, path=parts.store)
        received = Received(parts.messages)
        chosen = _faults(shim, ballast)[:faults]
        with parts.agent(shim.environment) as agent:
            until(agent.online, "the agent does not start")
            time.sleep(2)
            for fault in chosen:
                _suffer(finding, fault, agent, received, seconds)
            agent.catch_up()
            taken = int(agent.state()["records"]["telemetry"])
            code, _ = agent.stop()
        finding.expect(code == 0, f"exit code {code}")
        expected = Expected()
        expected.see(last := committed(parts.store))
        all_came(finding, expected, received, parts.database, last)
        booked_once(finding, received, last)
        _all_accounted(finding, received, taken)
        for fault in chosen:
            _start_with(finding, fault, parts, shim)
        parts.store.unlink()
        _start_with(finding, replace(chosen[0], name=f"{chosen[0].name}, without a file"), parts, shim)
        shim.close()
    finding.expect("Traceback" not in agent.log, "the agent's log holds a traceback")
    return finding


@contextlib.contextmanager
def _small_disk(parts: Rig) -> Iterator[Path | None]:
    """Put the agent's folder on a disk of 24 MiB where that is allowed; yield a file that can fill it."""
    folder = parts.config.parent
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    )
    try:
        parts.write_config()
        yield folder / "ballast" if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _faults(shim: Shim, ballast: Path | None) -> list[Fault]:
    def healed() -> None:
        shim.fail()

    def fill() -> None:
        assert ballast is not None
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
            for _ in range(1 << 15):
                stream.write(bytes(1 << 10))

    full = (
        Fault("full (tmpfs)", fill, ballast.unlink, ("full",))
        if ballast
        else Fault("full (ENOSPC)", lambda: shim.fail(write=errno.ENOSPC), healed, ("full",))
    )
    both, no = errno.EROFS, errno.EIO
    return [
        full,
        Fault("errors when written (EIO)", lambda: shim.fail(write=errno.EIO), healed, ("I/O",)),
        Fault("read-only (EROFS)", lambda: shim.fail(write=both, sync=both), healed, ("read-only", "readonly", "I/O")),
        Fault("gives nothing back (EIO)", lambda: shim.fail(write=no, sync=no, read=no), healed, ("I/O", "malformed")),
        Fault("errors when synced (EIO)", lambda: shim.fail(sync=errno.EIO), healed, ("I/O",)),
    ]


def _suffer(finding: Finding, fault: Fault, agent: RunningAgent, received: Received, seconds: float) -> None:
    fault.begin()
    began_ns = time.time_ns()
    told = until(lambda: bool(_degraded(agent)), "", timeout_s=_NOTICED_S)
    reason = _degraded(agent)
    time.sleep(seconds)
    ended_ns = time.time_ns()
    alarm = any("/agent/alarm/" in topic and b'"active":true' in said for topic, said in _alarms(received).items())
    fault.end()
    healed_s = time.monotonic()
    recovered = until(lambda: agent.state().get("store", {}).get("degraded") == "", "", timeout_s=_RECOVERED_S)
    healed_s = time.monotonic() - healed_s
    time.sleep(1)
    received.read_on()
    live = [
        arrival
        for arrival in received.of("telemetry").values()
        if began_ns + _NOTICING_NS < arrival.time_ns and arrival.received_ns < ended_ns
    ]
    ages = [(arrival.received_ns - arrival.time_ns) / 1e9 for arrival in live]
    finding.expect(told, f"{fault.name}: not noticed within {_NOTICED_S:g} s")
    finding.expect(any(word in reason for word in fault.words), f"{fault.name}: the reason given is '{reason}'")
    finding.expect(alarm, f"{fault.name}: no alarm of the agent is active at the subscriber")
    finding.expect(len(live) > seconds / _EVERY_S, f"{fault.name}: only {len(live)} values came while it lasted")
    finding.expect(max(ages, default=0) < _OLDEST_S, f"{fault.name}: live values were {max(ages, default=0):.1f} s old")
    finding.expect(recovered, f"{fault.name}: not over within {_RECOVERED_S:g} s of the disk being well again")
    finding.figures[fault.name] = (
        f"'{reason}'; {len(live)} values came live, at most {max(ages, default=0):.1f} s old; "
        f"well again after {healed_s:.1f} s"
    )


def _alarms(received: Received) -> dict[str, bytes]:
    received.read_on()
    return received.alarms


def _degraded(agent: RunningAgent) -> str:
    return str(agent.state().get("store", {}).get("degraded", ""))


def _all_accounted(finding: Finding, received: Received, taken: int) -> None:
    """Expect each reading the agent has recorded at the subscriber or in a gap record, and under one identity."""
    readings = received.of("telemetry").values()
    came = len({(arrival.key, arrival.time_ns) for arrival in readings})
    twice = len(readings) - came
    told = sum(gap["kinds"].get("telemetry", 0) for gap in received.gaps)
    finding.expect(came + told >= taken, f"{taken} readings were recorded, {came} came, gap records tell of {told}")
    finding.expect(not twice, f"{twice} readings came under two identities: a repeat nobody can recognise")
    finding.figures["readings recorded / came / told by gap records / under two identities"] = (
        f"{taken} / {came} / {told} / {twice}"
    )


def _start_with(finding: Finding, fault: Fault, parts: Rig, shim: Shim) -> None:
    """Start the agent on a disk that fails already."""
    fault.begin()
    began = time.monotonic()
    with parts.agent(shim.environment) as agent:
        until(lambda: agent.process.poll() is not None or agent.online(), "", timeout_s=10)
        took = time.monotonic() - began
        runs = agent.process.poll() is None and agent.online()
        said = agent.log.strip().splitlines()[-1]
        finding.expect(runs, f"{fault.name}: the agent does not start on such a disk: {said}")
        fault.end()
        if runs:
            recovered = until(lambda: agent.state().get("store", {}).get("degraded") == "", "", timeout_s=_RECOVERED_S)
            finding.expect(recovered, f"{fault.name}: started with it, the store does not recover")
            agent.stop()
    finding.figures[f"{fault.name}: start on such a disk"] = f"{took:.1f} s" if runs else f"ends: {said}"
