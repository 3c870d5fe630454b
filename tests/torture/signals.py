"""SIGTERM under load; SIGHUP with a changed and with a broken file."""

import random
import signal
import time
from itertools import pairwise
from pathlib import Path

from tests.soak.finding import Finding, quantile
from tests.torture.judge import Expected, all_came, booked_once
from tests.torture.oracle import committed
from tests.torture.receivers import Received
from tests.torture.rig import Rig, RunningAgent, rig, until

_MOST_STOP_S = 10.0
_EVERY_S = 0.2
_RELOAD_EVERY_S = 1.0
_MOTORS = 20


def terms(folder: Path, *, terms: int, seed: int = 8) -> Finding:
    """End the agent so often at random moments; each reading it has taken must be stored, and arrive."""
    finding = Finding("SIGTERM under load")
    chance = random.Random(seed)  # noqa: S311 -- moments, not secrets
    expected = Expected()
    took: list[float] = []
    ends: list[tuple[int, int]] = []
    with rig(folder, motors=_MOTORS) as parts:
        received = Received(parts.messages)
        for _ in range(terms):
            with parts.agent() as agent:
                until(agent.online, "the agent does not start")
                time.sleep(chance.uniform(0.2, 2.0))
                asked_ns = time.time_ns()
                code, seconds = agent.stop()
                ends.append((agent.started_ns, asked_ns))
            took.append(seconds)
            finding.expect(code == 0, f"exit code {code}")
            expected.see(last := committed(parts.store))
        # Records of the very end may wait in the store for the next start.
        with parts.agent() as agent:
            agent.catch_up()
            agent.stop()
            expected.see(last := committed(parts.store))
        all_came(finding, expected, received, parts.database, last)
        booked_once(finding, received, last)
        finding.problems += _unrecorded(received, ends)
        finding.expect("Traceback" not in agent.log, "the agent's log holds a traceback")
    finding.expect(max(took) <= _MOST_STOP_S, f"it took {max(took):.1f} s to end")
    finding.figures["ended"] = f"{terms} times, exit code 0; median {quantile(took, 0.5):.2f} s, max {max(took):.2f} s"
    return finding


def _unrecorded(received: Received, ends: list[tuple[int, int]]) -> list[str]:
    """Return the devices whose last reading before the end of a run is older than two periods."""
    problems = []
    telemetry = received.of("telemetry").values()
    for started_ns, asked_ns in ends:
        last: dict[str, int] = {}
        for arrival in telemetry:
            if started_ns <= arrival.time_ns <= asked_ns:
                last[arrival.key] = max(arrival.time_ns, last.get(arrival.key, 0))
        late = [key for key, moment in last.items() if (asked_ns - moment) / 1e9 > 2 * _EVERY_S + 0.5]
        problems += [f"{key}: what was read right before SIGTERM is not recorded" for key in late]
        if len(last) < _MOTORS:
            problems.append(f"only {len(last)} devices were recorded in one run")
    return problems


def hup(folder: Path, *, seconds: float) -> Finding:
    """Reload with one device more and one less, then with a broken file."""
    finding = Finding("SIGHUP with a changed and with a broken file")
    with rig(folder, motors=8) as parts:
        received = Received(parts.messages)
        first, second = parts.devices[:7], [*parts.devices[:6], parts.devices[7]]
        staying = {f"hall/{device.name}" for device in parts.devices[:6]}
        parts.write_config(first, every="1s")
        with parts.agent() as agent:
            until(agent.online, "the agent does not start")
            time.sleep(seconds)
            parts.write_config(second)
            asked_ns = _reload(agent)
            until(lambda: _devices(agent) == {device.name for device in second}, "the new file is not taken over")
            taken_ns = time.time_ns()
            until(agent.online, "the new device does not answer")
            online_ns = time.time_ns()
            time.sleep(seconds)
            _broken(finding, parts, agent)
            agent.catch_up()
            code, _ = agent.stop()
        finding.expect(code == 0, f"exit code {code}")
        expected = Expected()
        expected.see(last := committed(parts.store))
        all_came(finding, expected, received, parts.database, last)
        booked_once(finding, received, last)
        _changed(finding, received, parts, taken_ns)
        _unchanged(finding, received, staying, asked_ns)
        finding.figures["from SIGHUP until every device of the new file answers"] = (
            f"{(online_ns - asked_ns) / 1e9:.2f} s"
        )
    return finding


def _reload(agent: RunningAgent) -> int:
    asked_ns = time.time_ns()
    agent.process.send_signal(signal.SIGHUP)
    return asked_ns


def _devices(agent: RunningAgent) -> set[str]:
    return {device["device"] for device in agent.state().get("devices", ())}


def _broken(finding: Finding, parts: Rig, agent: RunningAgent) -> None:
    """Reload with a broken file: the former stays and the error is shown."""
    before = _devices(agent)
    right = parts.config.read_text(encoding="utf-8")
    parts.config.write_text(right.replace("unit = 1", 'unit = "one"'), encoding="utf-8")
    _reload(agent)
    shown = until(lambda: "the old configuration stays" in agent.log, "", timeout_s=5)
    finding.expect(shown, "the broken file is not complained of")
    until(lambda: f"{parts.config}:" in agent.log, "", timeout_s=5)
    finding.expect(f"{parts.config}:" in agent.log, "the error names no file and line")
    time.sleep(0.5)
    finding.expect(_devices(agent) == before and agent.online(), "the old configuration did not stay")
    parts.config.write_text(right, encoding="utf-8")


def _changed(finding: Finding, received: Received, parts: Rig, taken_ns: int) -> None:
    removed, added = (f"hall/{parts.devices[n].name}" for n in (6, 7))
    telemetry = list(received.of("telemetry").values())
    after = [a for a in telemetry if a.key == removed and a.time_ns > taken_ns + 1_000_000_000]
    finding.expect(not after, f"{removed} was removed and is still read")
    finding.expect(any(a.key == added for a in telemetry), f"{added} was added and is not read")
    state = received.others.get(f"energy/torture/{removed}/state", b"")
    ended = not state or b'"offline"' in state
    finding.expect(ended, f"{removed} was removed, its retained state still says {state.decode()[-120:]}")


def _unchanged(finding: Finding, received: Received, staying: set[str], asked_ns: int) -> None:
    """Expect no missed poll, and windows that go on as if nothing had happened."""
    missed: dict[str, int] = {}
    widest = 0.0
    for key in staying:
        times = sorted(a.time_ns for a in received.of("telemetry").values() if a.key == key)
        around = [t for t in times if abs(t - asked_ns) < 5_000_000_000]
        steps = [(b - a) / 1e9 for a, b in pairwise(around)]
        widest = max([widest, *steps])
        missed[key] = sum(max(0, round(step / _RELOAD_EVERY_S) - 1) for step in steps)
    polls = sum(missed.values())
    finding.expect(polls == 0, f"the {len(staying)} unchanged devices missed {polls} polls, {widest:.2f} s without one")
    finding.figures["unchanged devices: polls missed / longest time between two"] = f"{polls} / {widest:.2f} s"
    shrunk = [
        f"{window['account']}: {before['coverage']} before, {window['coverage']} after"
        for before, window in _window_pairs(received)
        if f"hall/{window['device']}" in staying and window["coverage"] < before["coverage"] - 0.02
    ]
    finding.problems += [f"a window was not kept: {text}" for text in shrunk]
    finding.figures["windows that lost what they held"] = f"{len(shrunk)} of {len(staying)}"


def _window_pairs(received: Received) -> list[tuple[dict[str, float], dict[str, float]]]:
    by_account: dict[str, list[dict[str, float]]] = {}
    for body in received.windows:
        by_account.setdefault(str(body["account"]), []).append(body)
    return [pair for bodies in by_account.values() for pair in pairwise(bodies)]
