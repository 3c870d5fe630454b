"""When an alarm is raised and when it ends: limits with hysteresis and duration, and nothing that does I/O.

Invariants:

- An alarm is raised, and ends, only when every value of a whole `for_ns` says so; values further apart than `gap_ns`
  do not make up a duration.
- What is not known neither raises nor ends an alarm: the state stays what it was, and says that it is not known.
  Only where the rule is known not to apply, no value is needed for the alarm to end.
- Times are those of the monotonic clock at the readings, so a step of the wall clock changes nothing.
"""

from dataclasses import replace

from drivers.value import frozen


@frozen
class Rule:
    """Limits of a value, all in its unit: raised beyond one, ended `margin` inside of all of them."""

    above: float | None = None
    below: float | None = None
    margin: float = 0.0
    for_ns: int = 0
    gap_ns: int = 60_000_000_000

    def beyond(self, value: float) -> bool:
        """Whether a value lies beyond a limit; one that lies on it does not."""
        return (self.above is not None and value > self.above) or (self.below is not None and value < self.below)

    def settled(self, value: float) -> bool:
        """Whether a value lies inside of all limits by the margin."""
        low = self.below is None or value >= self.below + self.margin
        return low and (self.above is None or value <= self.above - self.margin)

    def limit(self, value: float) -> float:
        """Return the limit a value is to be told against: the one beyond which it lies, or the nearest."""
        limits = [limit for limit in (self.above, self.below) if limit is not None]
        return min(limits, key=lambda limit: abs(value - limit))


@frozen
class Sample:
    """A value at a monotonic time, None where it is not known; the rule `applies` unless its `while` says no."""

    at_ns: int
    value: float | None
    applies: bool = True


@frozen
class State:
    """Whether the alarm is active, and how far it is on its way to the contrary.

    `seen_ns` is the time of the last value, at first of the first sample; since `turning_ns` all values have spoken
    for a change. `value` is the last one, and `known` says whether what is held still tells of the present.
    """

    active: bool = False
    known: bool = True
    value: float | None = None
    seen_ns: int | None = None
    turning_ns: int | None = None


def evaluate(rule: Rule, state: State, sample: Sample) -> State:
    """Return the state after a sample; one that is older than the last value changes nothing."""
    seen_ns = sample.at_ns if state.seen_ns is None else state.seen_ns
    if sample.at_ns < seen_ns:
        return state
    lost = sample.at_ns - seen_ns > rule.gap_ns
    if sample.value is None and sample.applies:
        return replace(state, seen_ns=seen_ns, known=state.known and not lost)
    value = state.value if sample.value is None else sample.value
    if not sample.applies or value is None:
        turns = state.active
    else:
        turns = rule.settled(value) if state.active else rule.beyond(value)
    begun_ns = sample.at_ns if lost or state.turning_ns is None else state.turning_ns
    if turns and sample.at_ns - begun_ns >= rule.for_ns:
        return State(not state.active, True, value, sample.at_ns)
    return State(state.active, True, value, sample.at_ns, begun_ns if turns else None)
