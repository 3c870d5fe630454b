"""Conservation from the meters to the tree of the plant: whatever happens to them, every level agrees, exactly.

Each meter of a works lives through a story of its own: gaps, restarts, roll-overs, glitches, replacements, steps of
the clock. What its books close and revise is added up to hours, shifts, days, months, virtual accounts and balances,
by an agent that is started again in between.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S
from tests.agent.metering.meters import COUNT_QUANTA, EVENTS, LENGTH_S, START_NS, Books, Meter
from tests.agent.rollup.plants import FAN_PROFILE, works
from tests.agent.rollup.shelf import FAN, Works

MORE = """
[[shift]]
name = "day"
from = "06:00"
to = "18:00"

[[shift]]
name = "night"
from = "18:00"
to = "06:00"

[[virtual]]
name = "hall/machines"
sum = ["press/electricity", "pump/electricity"]

[[virtual]]
name = "hall/unmetered"
sum = ["hall-meter/electricity", "roof/electricity"]
minus = ["press/electricity", "pump/electricity", "fan-meter/electricity"]

[[virtual]]
name = "office/third"
share = { of = "office/electricity", factor = 0.3333 }

[[virtual]]
name = "office/others"
share = { of = "office/electricity", factor = 0.6667 }
"""
METERS = (
    *("main/electricity", "main/fed_in", "check/electricity", "hall-meter/electricity", "press/electricity"),
    *("pump/electricity", "roof/electricity", "store/electricity", "store/charged", "office/electricity"),
    *("fan-meter/electricity", FAN),
)
SIGNED = {
    "hall/machines": {"press/electricity": 1, "pump/electricity": 1},
    "hall/unmetered": {
        "hall-meter/electricity": 1,
        "roof/electricity": 1,
        "press/electricity": -1,
        "pump/electricity": -1,
        "fan-meter/electricity": -1,
    },
    "hall/electricity": {"hall-meter/electricity": 1, "roof/electricity": 1},
    "site/electricity": {
        "main/electricity": 1,
        "main/fed_in": -1,
        "roof/electricity": 1,
        "store/electricity": 1,
        "store/charged": -1,
    },
}
"""What the amounts of virtual accounts and levels are made of."""
UNTOLD = EVENTS.filter(lambda event: event[0] != "replace" or event[-1] != "after")
"""A change that is explained late is corrected by command, not by the books: test_desk has that."""
STORIES = st.lists(
    st.tuples(st.sampled_from(METERS), UNTOLD) | st.tuples(st.sampled_from(["restart", "settle"]), st.just(())),
    max_size=20,
)
LATER = int(datetime(2026, 8, 1, 2, tzinfo=UTC).timestamp())
"""Two months after all that happens."""


class Told(Books):
    """Books whose intervals are recorded in a works."""

    def __init__(self, plant: Works, account: str) -> None:
        self._plant, self._account = plant, account
        super().__init__()

    def close(self, now_ns: int) -> None:
        for closed in self.intervals.close_due(now_ns):
            covered = min(1.0, closed.measured_s / LENGTH_S)
            estimated = min(1.0, abs(closed.estimated_quanta / closed.quanta)) if closed.quanta else 0.0
            self._plant.interval(
                closed.start_ns // NS_PER_S,
                closed.quanta,
                self._account,
                coverage=round(covered, 6),
                estimated=round(estimated, 6),
                evidence={"rules": list(closed.rules)},
            )


def q(amount: float) -> int:
    return round(amount * 10**6)


def sums(bodies: Iterable[Mapping[str, Any]], key: str = "amount") -> int:
    return sum(q(body[key]) for body in bodies)


def check_level(name: str, plant: Works, rest: dict[str, dict[str, int]]) -> None:
    """Check every interval of a virtual account or level against those of the meters, and note the rest."""
    for body in plant.shelf.rollups(name, "interval"):
        start_s = int(datetime.fromisoformat(body["start"]).timestamp())
        of_meters = {each: q(plant.newest[each, start_s]["amount"]) for each in SIGNED[name]}
        assert q(body["amount"]) == sum(sign * of_meters[each] for each, sign in SIGNED[name].items()), name
        if "metered_amount" in body:
            assert q(body["amount"]) == q(body["metered_amount"]) + q(body["rest_amount"])
            rest[body["start"]][name] = q(body["rest_amount"])


async def lived(plant: Works, story: list[tuple[str, tuple[Any, ...]]]) -> dict[str, Meter]:
    """Let all meters run for a while, then live through a story; return them when all is recorded and added up."""
    meters = {account: Meter(Told(plant, account)) for account in METERS}
    for meter in meters.values():
        meter.read(1, 0)
        meter.run([2] * 130)
    for what, event in story:
        if event:
            name, *how = event
            getattr(meters[what], name)(*how)
        elif what == "restart":
            plant.begin()
        else:
            await plant.settle()
    for account, meter in meters.items():
        meter.books.close(START_NS + (meter.newest_s + 300) * NS_PER_S)
        for start_s in (LATER, LATER + LENGTH_S):
            plant.interval(start_s, 0, account, coverage=0.0)
    await plant.settle()
    return meters


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORIES)
async def test_whatever_happens_to_the_meters_every_level_and_period_agrees_to_the_last_quantum(
    tmp_path: Path, story: list[tuple[str, tuple[Any, ...]]]
) -> None:
    (tmp_path / "fan.toml").write_text(FAN_PROFILE, encoding="utf-8")
    plant = Works(tmp_path, works() + MORE, length_s=LENGTH_S)
    meters = await lived(plant, story)

    for account, meter in meters.items():
        counted = meter.booked * COUNT_QUANTA
        assert sums(body for (name, _), body in plant.newest.items() if name == account) == counted, account
        for period in ("hour", "shift", "day", "month"):
            assert sums(plant.shelf.rollups(account, period)) == counted, (account, period)
    rest: dict[str, dict[str, int]] = defaultdict(dict)
    for name in SIGNED:
        check_level(name, plant, rest)
        check_periods(name, plant)
    check_tree(plant, rest)
    check_shares(plant)


def check_periods(name: str, plant: Works) -> None:
    """Check that every period of a virtual account or level is the sum of its intervals, in each figure they have."""
    intervals = plant.shelf.rollups(name, "interval")
    for key in ("amount", "import_amount", "export_amount", "generation_amount", "charge_amount", "metered_amount"):
        if all(key in body for body in intervals):
            for period in ("hour", "shift", "day", "month"):
                assert sums(plant.shelf.rollups(name, period), key) == sums(intervals, key), (name, period, key)


def check_tree(plant: Works, rest: Mapping[str, Mapping[str, int]]) -> None:
    """Check that what the site used is what its devices used and the rests of the levels."""
    devices = ("press/electricity", "pump/electricity", "fan-meter/electricity", "office/electricity", FAN)
    site = {body["start"]: body for body in plant.shelf.rollups("site/electricity", "interval")}
    assert {"hall/electricity", "site/electricity"} in [set(rests) for rests in rest.values()]
    for start, rests in rest.items():
        if rests.keys() == {"hall/electricity", "site/electricity"}:
            start_s = int(datetime.fromisoformat(start).timestamp())
            used = sum(q(plant.newest[each, start_s]["amount"]) for each in devices)
            assert q(site[start]["amount"]) == used + sum(rests.values())


def check_shares(plant: Works) -> None:
    """Check that shares that make 1 are the whole."""
    for one, other in zip(
        plant.shelf.rollups("office/third", "month"), plant.shelf.rollups("office/others", "month"), strict=True
    ):
        start, whole = one["start"], plant.shelf.rollups("office/electricity", "month")
        of_month = next(body for body in whole if body["start"] == start)
        if one["intervals"] == of_month["intervals"]:
            assert q(one["amount"]) + q(other["amount"]) == q(of_month["amount"])
