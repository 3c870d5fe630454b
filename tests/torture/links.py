"""Links that are slow, lose packets, stall half-open, or are cut every few seconds: nothing may be missing."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.soak.finding import Finding
from tests.torture.judge import Expected, all_came, booked_once
from tests.torture.oracle import committed
from tests.torture.proxy import Link, proxied
from tests.torture.receivers import Received
from tests.torture.rig import RunningAgent, rig, until

_MODES: Mapping[str, Mapping[str, Any]] = {
    "slow (8 kB/s)": {"bytes_per_s": 8_000.0},
    "cut every 2 s": {"cut_every_s": 2.0},
    "retries for 30 % of the packets": {"lost": 0.3},
    "slow, cut and lossy": {"bytes_per_s": 20_000.0, "cut_every_s": 5.0, "lost": 0.1},
    "half-open": {"stalled": True},
}


def links(folder: Path, *, seconds: float, stall_s: float) -> Finding:
    """Let each kind of bad link last so long while the agent reads on; then everything must arrive."""
    finding = Finding("links that fail")
    with rig(folder, motors=10) as parts:
        to_broker, to_database = Link(parts.broker.port), Link(parts.database.port)
        both = (to_broker, to_database)
        received = Received(parts.messages)
        with proxied(*both):
            ports = {**parts.settings.ports, "mqtt": to_broker.port, "influx": to_database.port}
            parts.write_config(ports=ports)
            with parts.agent() as agent:
                until(agent.online, "the agent does not start")
                time.sleep(1)
                for name, behaviour in _MODES.items():
                    before = len(received.read_on().arrivals)
                    _behave(both, behaviour)
                    time.sleep(stall_s if name == "half-open" else seconds)
                    waiting = _waiting(agent)
                    finding.figures[name] = (
                        f"{len(received.read_on().arrivals) - before:,} records came, {waiting:,} waited at its end"
                    )
                _noticed(finding, agent, both, stall_s)
                refused = sum(entry["rejected"] for entry in agent.state()["sinks"])
                finding.expect(not refused, f"{refused} records were set aside for what the link did")
                began = time.monotonic()
                agent.catch_up(timeout_s=120)
                finding.figures["caught up after the last of them"] = f"{time.monotonic() - began:.1f} s"
                code, _ = agent.stop()
            finding.expect(code == 0, f"exit code {code}")
            expected = Expected()
            expected.see(last := committed(parts.store))
            all_came(finding, expected, received, parts.database, last)
            booked_once(finding, received, last)
            counts = [f"{link.connections} connections, {link.cuts} cut" for link in both]
            finding.figures["to the broker / to the database"] = " / ".join(counts)
            finding.expect(all(link.cuts for link in both), "no connection was cut: the link was too good")
    return finding


def _behave(both: tuple[Link, ...], behaviour: Mapping[str, Any]) -> None:
    for link in both:
        link.well()
        for name, value in behaviour.items():
            setattr(link, name, value)


def _waiting(agent: RunningAgent) -> int:
    return max((entry["pending"] for entry in agent.state().get("sinks", ())), default=0)


def _noticed(finding: Finding, agent: RunningAgent, both: tuple[Link, ...], stall_s: float) -> None:
    """Heal the link for new connections; after a long stall the agent must have given up the old one by itself."""
    state = {entry["sink"]: entry for entry in agent.state()["sinks"]}
    if stall_s > 30:  # its keep-alive and the wait for an acknowledgement are 20 s
        for name, entry in state.items():
            finding.expect(
                not entry["connected"], f"{name}: after {stall_s:g} s of silence the link still counts as up"
            )
    finding.figures["half-open: said of the broker"] = str(state["mqtt"]["last_error"])
    for link in both:
        link.well()
