"""A clock that is wrong by an hour, jumps, or stands in 1970 until the network's time answers.

Only the clocks of the agent's process are changed, of a machine that has just been switched on; simulators, receivers
and this test keep the true ones. Each record says at which monotonic time it came to be, which nothing here changes:
so the true time of each is known. Energy must be what the counters went on by, whatever the clock says.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from agent.timekeeping.clock import WAIT_VARIABLE, look
from tests.soak.delivery import time_ns
from tests.soak.finding import Finding
from tests.torture.judge import Expected, all_came
from tests.torture.oracle import committed, conservation
from tests.torture.receivers import Received
from tests.torture.rig import rig, until
from tests.torture.shim import Shim

Body = dict[str, Any]
Record = tuple[str, Body]
"""The class of a record, and what it says."""

_HOUR_S = 3600.0
_NS = 1_000_000_000
_RIGHT_NS = _NS
"""A time is right when it differs by no more from the truth."""
_BEFORE_NS = 10 * _NS
"""Intervals begin a little before the test does."""
_MOST_KWH = 1.3 * 200 / 0.95 * 60 / _HOUR_S
"""More than this no motor can use within the span of a window."""


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
    Story("jumps", (_RIGHT, _off(_HOUR_S), _RIGHT, _off(-_HOUR_S), _RIGHT)),
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
    began_ns = time.time_ns()
    with rig(folder, motors=motors) as parts:
        parts.write_config(interval="5s")
        shim = Shim(folder, path=parts.store)
        shim.booted()
        received = Received(parts.messages)
        story.steps[0](shim)
        with parts.agent({**shim.environment, WAIT_VARIABLE: "600"}) as agent:
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
        records = list(_records(received.file))
    wrong = wrong_times(records, began_ns, look().offset_ns)
    if story.judged:
        kinds = dict(Counter(kind for kind, _ in wrong))
        part.expect(not wrong, f"{len(wrong)} records have a wrong final time: {kinds}, first {wrong[:1]}")
    _covered(part, story, records, seconds)
    steps = sum(body.get("name") == "clock_step" for body in received.events)
    part.expect(steps > 0, "no event tells of the step")
    _windows(part, received)
    finding.problems += [f"{story.name}: {problem}" for problem in part.told]
    finding.figures[f"{story.name}: energy"] = "exact" if not problems else f"WRONG in {len(problems)} accounts"
    finding.figures[f"{story.name}: records with a wrong final time"] = f"{len(wrong)} of {len(records)}"
    finding.figures[f"{story.name}: events of a step"] = str(steps)


def _records(file: Path) -> Iterator[Record]:
    """Yield class and body of every record that came."""
    with file.open("rb") as stream:
        for line in stream:
            if line.startswith(b"> ") and b'"seq":' in line:
                body = orjson.loads(line.rstrip(b"\n").split(b" ", 3)[3])
                yield body["schema"].split("/")[1], body


def wrong_times(records: Sequence[Record], began_ns: int, zero_ns: int) -> list[Record]:
    """Return the records whose times are not right: that of what they tell of, by when they came to be.

    `began_ns` is when the test did, `zero_ns` the true time of the monotonic clock's zero (both Unix, ns).
    """
    read_ns = defaultdict[str, list[int]](list)
    for kind, body in records:
        if kind == "telemetry":
            read_ns[body["device"]].append(time_ns(body["time"]))

    def right(kind: str, body: Body) -> bool:
        made_ns: int = body["clock"]["monotonic_us"] * 1000 + zero_ns
        if kind == "event" and "account" in body:
            return _of_a_reading(time_ns(body["time"]), read_ns[body["account"].partition("/")[0]], made_ns)
        return _right(body, began_ns, made_ns)

    return [(kind, body) for kind, body in records if not right(kind, body)]


def _of_a_reading(told_ns: int, read_ns: Sequence[int], made_ns: int) -> bool:
    """Whether a time is that of a reading; what a counter did is told with the books, a while after its reading."""
    return told_ns <= made_ns + _RIGHT_NS and any(abs(told_ns - each_ns) <= _RIGHT_NS for each_ns in read_ns)


def _right(body: Body, began_ns: int, made_ns: int) -> bool:
    if "time" in body:
        return abs(time_ns(body["time"]) - made_ns) <= _RIGHT_NS
    # An alarm or an interval may be told later, but nothing of it lies in the future or before the test.
    first, last = (str(body.get(key) or body["since"]) for key in ("start", "end"))
    return began_ns - _BEFORE_NS <= time_ns(first) <= time_ns(last) <= made_ns + _RIGHT_NS


def _covered(part: Finding, story: Story, records: Sequence[Record], seconds: float) -> None:
    """Expect that what was read before the time was known is there, and everything after it."""
    made = sorted(body["clock"]["monotonic_us"] / 1e6 for kind, body in records if kind == "telemetry")
    whole_s = made[-1] - made[0] if made else 0.0
    part.expect(whole_s > seconds * len(story.steps) - 2, f"telemetry covers only {whole_s:.0f} s")
    longest_s = max((after - before for before, after in pairwise(made)), default=0.0)
    part.expect(longest_s < max(2.0, seconds / 4), f"telemetry has a hole of {longest_s:.1f} s")


def _windows(part: Finding, received: Received) -> None:
    """Expect that no rolling window holds more than can be used within its span."""
    worst = max((float(body["amount"]) for body in received.windows if "account" in body), default=0.0)
    part.expect(bool(received.windows), "no window came")
    part.expect(worst < _MOST_KWH, f"a window of a minute holds {worst} kWh")
