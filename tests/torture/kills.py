"""kill -9 at random moments, under load, with both sinks."""

import random
import time
from pathlib import Path

from tests.soak.finding import Finding, quantile
from tests.torture.judge import Expected, all_came, booked_once
from tests.torture.oracle import committed
from tests.torture.receivers import Received
from tests.torture.rig import rig, until

_SHORTEST_S = 0.2
_LAST_S = 3.0
"""The last run is long enough for each account to close an interval."""
_MOTORS = 20


def kills(folder: Path, *, kills: int, longest_s: float, seed: int = 1) -> Finding:
    """Kill the agent so many times, each after `longest_s` at most.

    Everything that was ever committed must be at both receivers, and be booked once.
    """
    finding = Finding("kill -9 under load")
    chance = random.Random(seed)  # noqa: S311 -- moments, not secrets
    expected = Expected()
    working = 0
    starts: list[float] = []
    with rig(folder, motors=_MOTORS) as parts:
        received = Received(parts.messages)
        for number in range(kills):
            before = expected.count
            with parts.agent() as agent:
                # Every other moment counts from the start, so that starting and recovering are hit, too.
                if number % 2:
                    until(agent.online, "the agent does not start again")
                time.sleep(chance.uniform(_SHORTEST_S, longest_s))
                agent.kill()
            if parts.store.exists():
                expected.see(committed(parts.store))
            working += expected.count > before
            received.read_on()
        with parts.agent() as agent:
            began = time.monotonic()
            until(agent.online, "the agent does not start again")
            starts.append(time.monotonic() - began)
            time.sleep(_LAST_S)
            agent.catch_up(timeout_s=120)
            code, took = agent.stop()
        finding.expect(code == 0, f"exit code {code} at the end")
        last = committed(parts.store)
        expected.see(last)
        all_came(finding, expected, received, parts.database, last)
        booked_once(finding, received, last)
    finding.expect(working > kills // 3, f"only {working} of {kills} runs committed anything")
    finding.expect(len(expected.epochs) == 1, f"{len(expected.epochs)} epochs: the file was given up")
    finding.figures["kills"] = f"{kills}, {working} of them after a commit of that run"
    finding.figures["start after the last kill, every device read"] = f"{quantile(starts, 1):.2f} s"
    finding.figures["from SIGTERM to the end"] = f"{took:.2f} s"
    return finding
