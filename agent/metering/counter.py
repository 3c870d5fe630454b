"""What a counter's readings are worth: every reading becomes a booked delta, is held for doubt, or is refused.

Invariants:

- Within a segment the deltas telescope: their sum is the last accepted reading minus the first, in whole quanta
  (plus the modulus for every roll-over). A new segment begins only with a reset or a replacement.
- A reading out of line is held and nothing is booked until the next ones decide: back in line, and what was held is
  discarded; two further rises at the new level, and it is a new segment from the first held reading on; three
  steady steps above the limit, and the limit was wrong.
- Nothing is invented: what cannot be known (the end of an old segment) is booked as zero over its time, and what
  somebody declares of it is booked as declared, once.
- `state` holds all of this, held readings included: a restart at any moment changes no figure.

The rules are tried in this order: normal (or gap, when more than `gap_after_s` passed), rollover, glitch,
reset or replacement, implausible. A replacement that somebody declared goes before what the readings alone suggest.
A rule that books nothing because nothing is known stands in `agent.metering.amount.NOTHING_KNOWN` too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from agent.metering.amount import (
    NS_PER_S,
    QUANTA_PER_UNIT,
    Declaration,
    Delta,
    Noticed,
    Reading,
    Rule,
    bookable,
    elapsed_ns,
    quanta,
    rise_of,
)
from agent.metering.declared import Declared, Late
from agent.metering.limit import RateLimit
from agent.metering.step import Step, step_between

_CONFIRMATIONS = 2
"""Further rises that turn a held reading into a new level."""
_STEADY = 3.0
"""A jump no steeper than this many times the rises that follow it belongs to them."""
_STILL_S = 3600.0
"""A counter may show at once what it gathered since its value last changed, up to this long."""
_AWAKE_S = 60.0
"""A meter that has shown zero for so long counts from zero; one that starts shows its total by then."""
_RESET_SHARE = 0.01
"""A counter that goes on below this share of its old value was reset; above, it is another counter."""
_WRAP_SHARE = {True: 0.5, False: 0.01}
"""Largest share of the modulus a roll-over may span, with and without a rated power."""
# Asked for at each reading: as a member of its class each would be looked up by a call of Python's.
_NORMAL, _ROLLOVER, _IMPLAUSIBLE = Rule.NORMAL, Rule.ROLLOVER, Rule.IMPLAUSIBLE


class Counter:
    """Books one counter.

    `modulus` [unit]: the amount at which it wraps, None if unknown; it never does at one that cannot be booked.
    `max_rate` [unit/s]: what the device can do, with margin; None: learnt from what is seen. `resolution` [unit]: one
    count. Readings further apart than `gap_after_s` are a gap: booked, marked as not measured.

    `events` collects decisions until the caller takes them; `refused` counts readings that were no number or not later
    than the one before; `beyond` [unit/h] is a rate that lasts, but out of all reach of the rating: nothing is booked.
    """

    def __init__(
        self, *, modulus: float | None, max_rate: float | None, gap_after_s: float, resolution: float = 0.0
    ) -> None:
        self._modulus = quanta(modulus) if modulus is not None and bookable(modulus) else None
        self._wrap_share = _WRAP_SHARE[max_rate is not None]
        self._gap_after_ns = round(gap_after_s * NS_PER_S)
        # A reply may wait in a buffer before it is stamped, and make the next one look too early by as much.
        self._late_s = gap_after_s
        self._limit = RateLimit(max_rate=max_rate, resolution=resolution)
        self._resolution = quanta(resolution)
        self._last: Reading | None = None
        self._still_s = 0.0  # how long the last reading's value had been shown already
        self._held: list[Reading] = []
        self._refusing = False
        self._over_rating = False
        self.refused = 0
        self.beyond: float | None = None
        self.events: list[Noticed] = []
        self.declared = Declared()

    def book(self, reading: Reading) -> Sequence[Delta]:
        """Return the deltas that become certain with this reading, in order; none when it is held or refused.

        The first reading of all gives a delta of zero from itself to itself, which marks the beginning.
        """
        last = self._last
        passed_ns = elapsed_ns(last, reading) if last else NS_PER_S
        if not self._usable(reading, passed_ns):
            return ()
        if last is None:
            return self._begin(reading)
        step = step_between(last, reading, passed_ns)
        rule = self._line(step)
        if self.declared.pending and (declaration := self._declaration(last, reading, rule)):
            return self._replace(last, (reading,) if rule else (*self._held, reading), declaration)
        if rule is None:
            return self._hold(last, reading)
        if self._held:
            rule = self._release(last, reading, rule)
        return (self._accept(step, rule),)

    @property
    def last(self) -> Reading | None:
        """The last accepted reading."""
        return self._last

    def set_back(self, time_ns: int) -> None:
        """Take the last accepted reading for one of this wall time [ns]: its own came from a clock that was ahead."""
        if self._last:
            self._last = replace(self._last, time_ns=time_ns, boot="")
            self._held = []

    def state(self) -> dict[str, Any]:
        """Return everything that must survive a restart as JSON values."""
        return {
            "last": self._last.state() if self._last else None,
            "still_s": self._still_s,
            "held": [reading.state() for reading in self._held],
            "limit": self._limit.state(),
            "declared": self.declared.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        self._last = Reading.restored(state["last"]) if state["last"] else None
        self._still_s = state["still_s"]
        self._held = [Reading.restored(reading) for reading in state["held"]]
        self._limit.restore(state["limit"])
        self.declared.restore(state.get("declared", {}))

    def _usable(self, reading: Reading, passed_ns: int) -> bool:
        late = passed_ns <= 0
        if self._last and self._held and not late:
            late = elapsed_ns(self._held[-1], reading) <= 0
        if not late and bookable(reading.value):
            self._refusing = False
            return True
        self.refused += 1
        if not self._refusing:
            self._refusing = True
            text = f"a reading of {reading.value:.15g} cannot be booked: check type and order in the profile"
            if bookable(reading.value):
                text = f"a reading is not later than the one before ({reading.value:.15g}): refused until time goes on"
            self._tell(reading, Rule.IMPLAUSIBLE, text)
        return False

    def _begin(self, reading: Reading) -> Sequence[Delta]:
        """Begin with the first reading of all, or with what was declared of a time before it."""
        self._last = reading
        declaration = self.declared.beginning(reading)
        if declaration is None:
            self.declared.note(None, reading, Rule.FIRST)
            return (Delta(reading, reading, 0, True, Rule.FIRST),)
        start = Reading(declaration.time_ns, 0, declaration.first)
        rise, text = self.declared.use(declaration, None, reading)
        self._tell(reading, Rule.REPLACEMENT, text)
        return (
            Delta(start, start, 0, True, Rule.FIRST, declaration),
            Delta(start, reading, rise, False, Rule.GAP, declaration),
        )

    def _declaration(self, last: Reading, reading: Reading, rule: Rule | None) -> Declaration | None:
        """Return the replacement that leads to a reading; out of line it takes two, for one alone may be wrong."""
        if not (rule or (self._held and self._continues(last, reading))):
            return None
        first = self._held[0] if rule is None else reading
        return self.declared.leading(last, first, rule, self.believed)

    def explained(self) -> list[Late]:
        """Return the changes booked as unknown that are declared by now."""
        return self.declared.late(self.believed)

    def believed(self, value: float, seconds: float) -> float:
        """Return the rise [quanta] believed from a value within a time."""
        return self._limit.allowed(quanta(value), seconds + self._late_s)

    def _replace(self, last: Reading, readings: Sequence[Reading], declaration: Declaration) -> Sequence[Delta]:
        """Book across a replacement what is declared of it, and what was read since."""
        first, self._held, self.beyond = readings[0], [], None
        amount, text = self.declared.use(declaration, last, first)
        self._tell(first, Rule.REPLACEMENT, text)
        self._still_s = 0.0
        self._limit.refute(quanta(first.value))
        self._last = first
        gap = elapsed_ns(last, first) > self._gap_after_ns
        measured = not (gap or last.doubt or first.doubt)
        change = Delta(last, first, amount, measured, Rule.REPLACEMENT, declaration)
        return (change, *self._booked(readings))

    def _line(self, step: Step) -> Rule | None:
        """Return the rule by which a reading follows the last accepted one, None when it does not."""
        if step.rise < 0:
            if self._modulus is None:
                return None
            allowed = min(self._limit.across(self._gathering_s(step.passed_ns)), self._wrap_share * self._modulus)
            return _ROLLOVER if 0 <= step.rise + self._modulus <= allowed else None
        if step.rise > self._allowed(step):
            return None
        # A jump does not become energy just because time goes by, only where it may have come a little late.
        stays = self._held and step.last.value < self._held[0].value <= step.reading.value
        return None if stays and step.passed_ns > self._gap_after_ns else _NORMAL

    def _allowed(self, step: Step) -> float:
        if step.last.value == 0.0 and self._limit.untried and self._still_s < _AWAKE_S:
            # A meter that boots with its gateway shows zero first and then its total: that is no consumption.
            return self._resolution
        return self._limit.allowed(step.level, self._gathering_s(step.passed_ns) + self._late_s)

    def _gathering_s(self, passed_ns: int) -> float:
        """Return the time [s] a rise may have taken that was seen so long after the last accepted reading."""
        return passed_ns / NS_PER_S + self._still_s

    def _accept(self, step: Step, rule: Rule) -> Delta:
        last, reading, rise = step.last, step.reading, step.rise
        if rule is _ROLLOVER:
            rise += self._modulus or 0
        gathering_s = self._gathering_s(step.passed_ns)
        gap = step.passed_ns > self._gap_after_ns
        doubtful = bool(last.doubt or reading.doubt) and (last.doubtful or reading.doubtful)
        if rule is _NORMAL and self._limit.exceeds_rating(rise, step.level, gathering_s):
            rule = _IMPLAUSIBLE
            if not self._over_rating:
                self._tell(reading, _IMPLAUSIBLE, f"{rise / QUANTA_PER_UNIT:g} more is above the rating: booked")
        elif rule is _NORMAL and gap:
            rule = Rule.GAP
        self._over_rating = rule is _IMPLAUSIBLE
        if not doubtful:
            self._limit.learn(step.level, rise, gathering_s)
        self._still_s = 0.0 if reading.value != last.value else min(gathering_s, _STILL_S)
        self._last = reading
        return Delta(last, reading, rise, not (gap or doubtful), rule)

    def _hold(self, last: Reading, reading: Reading) -> Sequence[Delta]:
        ahead = reading.value > last.value
        if not self._held and ahead:
            self._tell(reading, Rule.IMPLAUSIBLE, f"{last.value:.15g} -> {reading.value:.15g} is too much: held")
        level = self._held[0] if self._held else reading
        dip = not ahead and -rise_of(last, reading) <= self._limit.dip and not _near_zero(last, level)
        if dip or not self._held or not self._continues(last, reading):
            self._held, self.beyond = [reading], None
            return ()
        if len(self._held) > 1 and reading.value == self._held[-1].value == self._held[-2].value:
            self._held[-1] = reading  # of a level stretch only the ends matter
        else:
            self._held.append(reading)
        rises = sum(later.value > earlier.value for earlier, later in pairwise(self._held))
        if rises < _CONFIRMATIONS:
            return ()
        return self._decide_ahead(last) if ahead else self._new_segment(last)

    def _continues(self, last: Reading, reading: Reading) -> bool:
        """Whether a reading goes on from the held ones, at their level rather than back towards the last accepted."""
        first = self._held[0]
        if (first.value > last.value) != (reading.value > last.value) or reading.value < self._held[-1].value:
            return False
        if reading.value > last.value:
            return True
        return self._small_step(self._held[-1], reading) and 2 * rise_of(first, reading) <= -rise_of(last, first)

    def _small_step(self, earlier: Reading, later: Reading) -> bool:
        passed_s, still_s = elapsed_ns(earlier, later) / NS_PER_S, 0.0
        if len(self._held) > 1 and self._held[-2].value == earlier.value:
            still_s = min(elapsed_ns(self._held[-2], later) / NS_PER_S, _STILL_S)
        return rise_of(earlier, later) <= self._limit.allowed(quanta(earlier.value), max(passed_s, still_s))

    def _decide_ahead(self, last: Reading) -> Sequence[Delta]:
        """Settle held readings above the last accepted one: real after all, another counter, or still in doubt."""
        first, newest = self._held[0], self._held[-1]
        jump = rise_of(last, first) / QUANTA_PER_UNIT / self._gathering_s(elapsed_ns(last, first))
        follow = rise_of(first, newest) / QUANTA_PER_UNIT / (elapsed_ns(first, newest) / NS_PER_S)
        if jump <= max(_STEADY * follow, self._limit.unrated):
            if self._limit.confirm(max(jump, follow)):
                text = f"readings go on from {first.value:.15g}, {follow * 3600:g} more per hour: booked after all"
                self._tell(first, Rule.IMPLAUSIBLE, text)
                self._over_rating = True
                return self._booked((last, *self._take_held()))
            self.beyond = follow * 3600.0
        elif all(self._small_step(earlier, later) for earlier, later in pairwise(self._held)):
            return self._new_segment(last)
        self._held = [newest]
        return ()

    def _new_segment(self, last: Reading) -> Sequence[Delta]:
        first, *rest = self._take_held()
        rule = Rule.RESET if _near_zero(last, first) else Rule.REPLACEMENT
        text = f"the counter went on at {first.value:.15g} after {last.value:.15g}: nothing booked between"
        self._tell(first, rule, text)
        self._still_s = 0.0
        self._limit.refute(quanta(first.value))
        self.declared.note(last, first, rule)
        return (Delta(last, first, 0, False, rule), *self._booked((first, *rest)))

    def _booked(self, readings: Sequence[Reading]) -> tuple[Delta, ...]:
        return tuple(self._accept(step_between(earlier, later), Rule.NORMAL) for earlier, later in pairwise(readings))

    def _take_held(self) -> list[Reading]:
        held, self._held, self.beyond = self._held, [], None
        return held

    def _release(self, last: Reading, reading: Reading, rule: Rule) -> Rule:
        """Give up the held readings for one that follows the last accepted; return the rule to book it by."""
        held = self._take_held()
        if last.value < held[0].value <= reading.value:
            return Rule.IMPLAUSIBLE
        self._tell(held[0], Rule.GLITCH, f"{held[0].value:.15g} after {last.value:.15g} was out of line: discarded")
        return Rule.GLITCH if rule is Rule.NORMAL else rule

    def _tell(self, reading: Reading, rule: Rule, text: str) -> None:
        self.events.append(Noticed(reading.time_ns, rule, text))


def _near_zero(last: Reading, reading: Reading) -> bool:
    return 0 <= reading.value <= _RESET_SHARE * last.value
