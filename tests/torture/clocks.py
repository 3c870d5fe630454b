"""A clock that is wrong by an hour, jumps, or stands in 1970 until the network's time answers.

Only the wall clock of the agent's process is changed; simulators, receivers and this test keep the true one. Energy
must be what the counters went on by, whatever the clock says; a record's final time is judged by when it came.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.soak.finding import Finding
from tests.torture.judge import Expected, all_came
from tests.torture.oracle import committed, conservation
from tests.torture.receivers import Received
from tests.torture.rig import rig, until
from tests.torture.shim import Shim

_HOUR_S = 3600.0
_RIGHT_S = 2.0
"""A time is right when it differs by no more from the truth."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to the clock: steps made one after another, each lasting equally long."""

    name: str
    steps: Sequence[Callable[[Shim], None]]
    judged: bool = True
    """Whether the agent can know which times are wrong: it is told when the clock is synchronised."""


def _off(offset_s: float, *, synchronised: bool = False) -> Callable[[Shim], None]:
    return lambda shim: shim.clock(offset_s, synchronised=synchronised)


_RIGHT = _off(0.0, synchronised=True)
_STORIES = (
    Story("1970 until NTP", (lambda shim: shim.since_1970(30.0), _RIGHT)),
    Story("an hour slow until NTP", (_off(-_HOUR_S), _RIGHT)),
    Story("an hour fast until NTP", (_off(_HOUR_S), _RIGHT)),
    Story(
        "jumps, said to be synchronised",
        (_RIGHT, _off(_HOUR_S, synchronised=True), _RIGHT, _off(-_HOUR_S, synchronised=True), _RIGHT),
        judged=False,
    ),
)


def clocks(folder: Path, *, seconds: float, motors: int, stories: int) -> Finding:
    """Run the first so many stories, so many seconds per step."""
    finding = Finding("a clock that is wrong, jumps, or stands in 1970")
    for number, story in enumerate(_STORIES[:stories]):
        place = folder / f"story-{number}"
        place.mkdir()
        _tell(finding, story, place, seconds, motors)
    return finding


def _tell(finding: Finding, story: Story, folder: Path, seconds: float, motors: int) -> None:
    part = Finding(story.name)
    with rig(folder, motors=motors) as parts:
        parts.write_config(interval="5s")
        shim = Shim(folder, path=parts.store)
        received = Received(parts.messages)
        story.steps[0](shim)
        with parts.agent(shim.environment) as agent:
            until(agent.online, "the agent does not start")
            for number, step in enumerate(story.steps):
                if number:
                    step(shim)
                time.sleep(seconds)
            agent.catch_up(timeout_s=60)
            code, _ = agent.stop()
        shim.close()
        part.expect(code == 0, f"exit code {code}")
        expected = Expected()
        expected.see(last := committed(parts.store))
        all_came(part, expected, received, None, last)
        problems, accounts = conservation(received.intervals, last.states)
        part.problems += problems
        part.expect(accounts == motors, f"intervals of {accounts} accounts")
    wrong, kinds = _wrong(received)
    if story.judged:
        part.expect(not wrong, f"{wrong} records have a wrong final time: {dict(kinds)}")
    steps = sum(1 for body in received.events if "step" in str(body) or "clock" in str(body))
    part.expect(not story.judged or steps > 0, "no event tells of the step")
    _energy(part, received, seconds * len(story.steps))
    finding.problems += [f"{story.name}: {problem}" for problem in part.told]
    finding.figures[f"{story.name}: energy"] = "exact" if not problems else f"WRONG in {len(problems)} accounts"
    finding.figures[f"{story.name}: records with a wrong final time"] = (
        f"{wrong} of {len(received.arrivals)} {dict(kinds)}"
    )
    finding.figures[f"{story.name}: events of a step"] = str(steps)


def _wrong(received: Received) -> tuple[int, Counter[str]]:
    """Count the records whose time cannot be true: after they came, or long before they were made."""
    kinds: Counter[str] = Counter()
    for arrival in received.arrivals.values():
        ahead = (arrival.time_ns - arrival.received_ns) / _NS
        # What waits for the first synchronisation may come late, but everything began with the test.
        if ahead > _RIGHT_S or arrival.time_ns < received.first_ns - _BEFORE_NS:
            kinds[arrival.kind] += 1
    return kinds.total(), kinds


_BEFORE_NS = 10 * _NS
"""Intervals begin, and files are read, a little before the first message."""


def _energy(part: Finding, received: Received, seconds: float) -> None:
    """Expect that no rolling window holds more than the whole run has used."""
    windows: dict[str, list[dict[str, Any]]] = {}
    for body in received.windows:
        windows.setdefault(str(body["account"]), []).append(body)
    for account, bodies in windows.items():
        amounts = [float(body["amount"]) for body in bodies]
        falls = sum(after < before for before, after in pairwise(amounts))
        # The whole run is shorter than the shortest span: a window of it can only grow.
        part.expect(seconds > 50 or not falls, f"{account}: its window lost energy {falls} times")
