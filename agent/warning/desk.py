"""The watch over readings and figures: takes what comes, and tells what alarms become of it.

Invariants:

- Whether an alarm is active is what the alarm desk says, which keeps it across restarts; here is only how far it is
  on its way to the contrary.
- What fails for one alarm keeps none of the others from being looked at.
- Alarms told here, and no others, have a limit; one that is not watched any more ends.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace

from agent.alarms.alarm import Alarm
from agent.alarms.desk import AlarmDesk
from agent.books.troubles import Apart
from agent.config import SiteConfig
from agent.figure import Figure
from agent.metering.amount import NS_PER_S
from agent.saved import UnreadableError, pack, unpack
from agent.scribe import Scribe
from agent.warning import text
from agent.warning.build import watches
from agent.warning.rule import Sample, State, evaluate
from agent.warning.series import Change, Reference
from agent.warning.watch import Value, Watch
from drivers.frame import Frame
from drivers.reading import Quality

_log = logging.getLogger(__name__)

SAVED = "drift/"
"""The store keeps the days of a long-term mean under this, and place and name of its alarm."""
_SAVE_NS = 900 * NS_PER_S


class Watched:
    """One watch and how far it is."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.name = f"alarm {watch.name} of {watch.key}"
        self.state = State()
        self.change = Change(watch.change_s, watch.rule.gap_ns) if watch.change_s else None
        self.reference = Reference(watch.drift_s) if watch.drift_s else None
        self.unit = watch.unit
        self.unverified = False
        self.saved_ns: int | None = None

    def seen(self, at_ns: int, time_ns: int, value: float) -> float | None:
        """Return what is held against the limits when a value comes in; None while nothing can be."""
        if self.change:
            return self.change.take(at_ns, value)
        return self.reference.take(time_ns, value) if self.reference else value


class Warnings:
    """Everything that is watched."""

    def __init__(self, scribe: Scribe, alarms: AlarmDesk) -> None:
        self._scribe = scribe
        self._alarms = alarms
        self._apart = Apart()
        self._watched: dict[tuple[str, str], Watched] = {}
        self._latest: dict[Value, tuple[int, float]] = {}
        self._begun = False

    def configure(self, config: SiteConfig) -> None:
        """Go on with what a configuration watches; what it watches as before goes on as if nothing had happened."""
        before, self._watched = self._watched, {}
        for watch in watches(config):
            kept = before.get((watch.key, watch.name))
            self._watched[watch.key, watch.name] = kept if kept and kept.watch == watch else Watched(watch)
        self._by_value: dict[Value, list[Watched]] = {}
        for each in self._watched.values():
            self._by_value.setdefault(each.watch.value, []).append(each)
        values = {value for each in self._watched.values() for value in _values(each.watch)}
        self._latest = {value: seen for value, seen in self._latest.items() if value in values}
        self._points: dict[str, list[tuple[int, Value]]] = {}
        for value in values:
            if value.quantity:
                device = value.place.partition("/")[2]
                point = config.profiles[device].index[value.quantity]
                self._points.setdefault(device, []).append((point, value))
        self._figures = {value for value in values if value.figure}
        self._named_figures = {(value.place, value.figure) for value in self._figures}
        self._begun = False

    def frame(self, frame: Frame) -> None:
        """Take what a frame says that is booked, whose time is final."""
        new: dict[Value, float | None] = {}
        for point, value in self._points.get(frame.device, ()):
            quality = int(frame.quality[point])
            if quality != Quality.NOT_READ:
                new[value] = float(frame.values[point]) if quality < Quality.COMM_LOST else None
        if new:
            self._take(new, frame.monotonic_ns, frame.time_ns)

    def figures(self, figures: Iterable[Figure], at_ns: int, time_ns: int) -> None:
        """Take the figures of a moment, on the monotonic and on the wall clock; and look what has not come for long."""
        self._begin(time_ns)
        new: dict[Value, float | None] = {}
        for figure in figures:
            if (figure.place, figure.name) not in self._named_figures:
                continue
            for span in (None, figure.span):
                value = Value(figure.place, figure=figure.name, span=span)
                if value in self._figures:
                    new.setdefault(value, figure.value)
                    self._named(value, figure)
        self._take(new, at_ns, time_ns)
        for watched in self._watched.values():
            if watched.watch.value not in new:
                with self._apart.guard(watched.name):
                    applies = self._applies(watched.watch, at_ns) is not False
                    self._hold(watched, Sample(at_ns, None, applies), time_ns)

    def _named(self, value: Value, figure: Figure) -> None:
        for watched in self._by_value.get(value, ()):
            watched.unit = "%" if watched.reference else figure.unit
            watched.unverified = figure.unverified

    def _take(self, new: dict[Value, float | None], at_ns: int, time_ns: int) -> None:
        self._latest |= {value: (at_ns, number) for value, number in new.items() if number is not None}
        for value, came in new.items():
            for watched in self._by_value.get(value, ()):
                with self._apart.guard(watched.name):
                    self._look(watched, came, at_ns, time_ns)

    def _look(self, watched: Watched, number: float | None, at_ns: int, time_ns: int) -> None:
        """Hold what has come against the rule of an alarm, where that is looked at now."""
        applies = self._applies(watched.watch, at_ns)
        if applies and number is not None:
            number = watched.seen(at_ns, time_ns, number)
            self._keep(watched, at_ns)
        known = number if applies is not None else None
        self._hold(watched, Sample(at_ns, known, applies is not False), time_ns)

    def _applies(self, watch: Watch, at_ns: int) -> bool | None:
        """Whether an alarm is looked at now; None where that is not known."""
        if watch.guard is None:
            return True
        seen_ns, number = self._latest.get(watch.guard.value, (0, None))
        if number is None or at_ns - seen_ns > watch.guard.rule.gap_ns:
            return None
        return watch.guard.rule.beyond(number)

    def _hold(self, watched: Watched, sample: Sample, time_ns: int) -> None:
        """Hold a sample against the rule, and tell what becomes of the alarm."""
        watch = watched.watch
        before = self._alarms.find(watch.key, watch.name)
        active = before is not None and before.active
        state = evaluate(watch.rule, replace(watched.state, active=active), sample)
        watched.state = state
        if state.active != active:
            self._tell(watched, before, time_ns, applies=sample.applies)
        elif before and active and state.known is before.unknown:
            told = (before.text, before.text_zh)
            if not state.known:
                told = text.unknown(before.text, before.text_zh)
            elif state.value is not None:
                told = text.raised(watch, watched.unit, state.value, watch.rule.limit(state.value))
            known = replace(before, unknown=not state.known, text=told[0], text_zh=told[1], told_ns=time_ns)
            self._alarms.tell(known)

    def _tell(self, watched: Watched, before: Alarm | None, time_ns: int, *, applies: bool) -> None:
        """Tell that an alarm is raised or has ended; `before` is what was told of it last."""
        watch, state, unit = watched.watch, watched.state, watched.unit
        value = state.value if state.value is not None or before is None else before.value
        limit = watch.rule.limit(value or 0.0)
        if state.active:
            told = text.raised(watch, unit, value or 0.0, limit)
        else:
            told = text.ended(watch, unit, value or 0.0, limit, applies=applies)
        alarm = Alarm(watch.key, watch.name, state.active, watch.severity, time_ns, *told)
        self._alarms.tell(replace(alarm, value=value, limit=limit, unit=unit, unverified=watched.unverified))

    def _begin(self, time_ns: int) -> None:
        """End the alarms nobody watches any more, and take up long-term means; once for each configuration."""
        if self._begun:
            return
        self._begun = True
        for alarm in list(self._alarms):
            if alarm.active and alarm.limit is not None and (alarm.key, alarm.name) not in self._watched:
                told, told_zh = text.unwatched(alarm.name)
                ended = replace(alarm, active=False, unknown=False, since_ns=time_ns, told_ns=None)
                self._alarms.tell(replace(ended, text=told, text_zh=told_zh))
        saved = self._scribe.store.load_states(SAVED)
        for watched in self._watched.values():
            state = saved.get(_state_name(watched.watch))
            if state and watched.reference and watched.saved_ns is None:
                try:
                    watched.reference.restore(unpack(state)["days"])
                except (UnreadableError, KeyError, TypeError, ValueError) as error:
                    _log.warning("the mean of alarm %s begins anew: %r", watched.watch.name, error)

    def _keep(self, watched: Watched, at_ns: int) -> None:
        """Save a long-term mean now and then."""
        if watched.reference and (watched.saved_ns is None or at_ns - watched.saved_ns >= _SAVE_NS):
            watched.saved_ns = at_ns
            self._scribe.store.save_state(_state_name(watched.watch), pack(days=watched.reference.state()))


def _values(watch: Watch) -> list[Value]:
    return [watch.value, watch.guard.value] if watch.guard else [watch.value]


def _state_name(watch: Watch) -> str:
    return f"{SAVED}{watch.key}/{watch.name}"
