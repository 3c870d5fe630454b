"""What records tell besides amounts: of which time of a period there are captures."""

import pytest

from agent.bundle.trail import Trail
from agent.record import rfc3339, time_ns

S = 10**9
START_NS = time_ns("2026-11-20T08:00:00.000000Z")


def _uncaptured(first_s: float, last_s: float) -> list[tuple[float, float]]:
    """Return the stretches [s] of a period of 3,660 s with one capture that is untold, of intervals of a minute."""
    trail = Trail(START_NS, START_NS + 3660 * S)
    first, last = (rfc3339(START_NS + round(each * S)) for each in (first_s, last_s))
    said = {"schema": "energy-agent/evidence/1", "time": last, "what": "capture", "name": "a.pcapng.zst"}
    trail.take({**said, "digest": "sha256:1", "first": first, "last": last})
    found = trail.uncaptured(120 * S, 60 * S)
    return [((time_ns(each["from"]) - START_NS) / S, (time_ns(each["to"]) - START_NS) / S) for each in found]


@pytest.mark.parametrize(
    ("first_s", "last_s", "told"),
    [
        (-5, 3700, []),
        (-5, 3599, [(3599, 3660)]),
        (-5, 3659.5, [(3659.5, 3660)]),
        (59.5, 3700, []),
        (60, 3700, [(0, 60)]),
    ],
)
def test_captures_that_end_before_the_period_does_are_told_of_however_short_it_is(
    first_s: float, last_s: float, told: list[tuple[float, float]]
) -> None:
    assert _uncaptured(first_s, last_s) == told
