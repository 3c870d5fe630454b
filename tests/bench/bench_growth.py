"""How processor time per point goes with the number of devices: fleets of several sizes in turns, beside a bare client.

`python -m tests.bench.bench_growth [--for S] [--rounds N]` puts its figures into bench.json beside what stands there.
A round runs every size once, with the agent and with a bare pymodbus client on uvloop, which makes the same reads,
decodes nothing and keeps nothing. Figures are medians of the rounds; how many times one size costs what another does
is taken within one round, for the machine is not the same in the next.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.bench import bench_fleet, fleet
from tests.bench.fleet import Fleet
from tests.bench.row import Row

SIZES = (10, 100, 1000, 3000)
_FILE = Path("bench.json")
_POINTS = 20
MINUTE_S = 60.0
"""Intervals are closed and books saved once a minute: a shorter run has that or not, as it happens."""
_BARE_S = 20.0
_BARE, _BARE_NAMED = "pymodbus-uvloop", "bare pymodbus on uvloop"


Cost = tuple[float, float, float]
"""The agent's processor time per point [µs], the bare client's, and the agent's resident memory [MiB]."""


def rows(seconds: float, rounds: int = 1) -> list[Row]:
    """Return what each size takes, and how many times the last one takes per point what the one before it does."""
    found = [[_measured(devices, seconds) for devices in SIZES] for _ in range(rounds)]
    table = []
    for devices, costs in zip(SIZES, zip(*found, strict=True), strict=True):
        agent_us, bare_us, resident_mib = (median(each) for each in zip(*costs, strict=True))
        table.append(Row(f"growth_{devices}_devices_us_per_point", agent_us, "µs", bare_us, _BARE_NAMED))
        table.append(Row(f"growth_{devices}_devices_resident_mib", resident_mib, "MiB"))
    agent, bare = (median(costs[-1][who] / costs[-2][who] for costs in found) for who in (0, 1))
    table.append(Row(f"growth_{SIZES[-2]}_to_{SIZES[-1]}_devices", agent, "times", bare, _BARE_NAMED, 1.0))
    return table


def _measured(devices: int, seconds: float) -> Cost:
    agent = fleet.run(Fleet(devices, _POINTS), seconds)
    with tempfile.TemporaryDirectory() as text, fleet.served(Path(text)) as served:
        bare_us = bench_fleet.bare_read_us(_BARE, served, Path(text), devices=devices, seconds=min(seconds, _BARE_S))
    cost = agent.cpu_per_poll_us / _POINTS, bare_us / _POINTS, agent.resident_mib
    sys.stderr.write(f"{devices} devices: {cost[0]:.2f} µs a point, bare {cost[1]:.2f}; {agent.left_out} left out\n")
    return cost


def main() -> int:
    """Measure, and tell what was found; return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_growth", description=__doc__)
    parser.add_argument("--for", dest="seconds", type=float, default=MINUTE_S, metavar="S")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    asked = parser.parse_args()
    found = rows(asked.seconds, asked.rounds)
    known = json.loads(_FILE.read_text(encoding="utf-8")) if _FILE.exists() else {"figures": {}}
    known["figures"] |= {row.name: row.to_json() for row in found}
    _FILE.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    for row in found:
        beside = f", {row.ceiling:.2f} {row.beside}" if row.ceiling else ""
        sys.stdout.write(f"{row.name}: {row.value:.2f} {row.unit}{beside}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
