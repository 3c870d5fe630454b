"""The books on their way into the store: intervals that are due, what the counters noticed, what a restart needs."""

from collections import Counter
from collections.abc import Mapping

from agent import bodies
from agent.ledger import LAYOUTS, Ledger
from agent.metering.history import Moment
from agent.record import rfc3339
from agent.scribe import Scribe


class Bookkeeper:
    """Records the intervals of a ledger, and saves its books together with them."""

    def __init__(self, ledger: Ledger, scribe: Scribe) -> None:
        self._scribe = scribe
        self.keep(ledger)
        self.latest_intervals: dict[str, bodies.Body] = {}
        """The record of the youngest closed interval of each account, in its latest revision."""
        self.intervals_closed: Counter[str] = Counter()

    def keep(self, ledger: Ledger) -> None:
        """Go on with another ledger."""
        self._ledger = ledger
        self._layouts_saved = False

    def close_due(self, now_ns: int) -> None:
        """Record every interval that is due, together with the books it left behind."""
        for account, intervals in self._ledger.close_due(now_ns):
            # Together, or a crash in between would leave books that have given up intervals nobody recorded.
            with self._scribe.store.transaction():
                for closed in intervals:
                    weight = self._ledger.conversions.at(account, closed.start_ns)
                    body = bodies.interval(self._scribe.site, account, self._ledger.point_of(account), closed, weight)
                    self.intervals_closed[account.name] += 1
                    self._scribe.record("interval", account.key, closed.start_ns, body)
                    former = self.latest_intervals.get(account.name)
                    if former is None or body["start"] >= former["start"]:
                        self.latest_intervals[account.name] = body
                self._scribe.store.save_state(*self._ledger.state(account.name))
        for event in self._ledger.events():
            body = {
                "schema": "energy-agent/event/1",
                "site": self._scribe.site,
                "account": event.account,
                "time": rfc3339(event.time_ns),
                "rule": event.rule,
                "text": event.text,
            }
            self._scribe.record("event", event.key, event.time_ns, body)

    def save(self, row_at: Moment | None = None) -> None:
        """Save the state of every account, so that a restart continues where this run was.

        Once a minute with the row of the ring, which belongs to the books of that very moment.
        """
        with self._scribe.store.transaction():
            if row_at:
                self._scribe.store.save_row(row_at.time_ns, self._ledger.saved_row(row_at))
            if not self._layouts_saved:
                self._layouts_saved = True
                self._scribe.store.save_state(LAYOUTS, self._ledger.layouts_state())
            for name, state in self._ledger.states():
                self._scribe.store.save_state(name, state)

    def restore_windows(self, stored: Mapping[int, bytes], now: Moment, *, trusted: bool) -> None:
        """Refill the windows from the rows of earlier runs, and save with them what restored books add."""
        left = self._ledger.left_rows(stored)
        self._ledger.refill({**stored, **left}.items(), now, trusted=trusted)
        with self._scribe.store.transaction():
            for time_ns, row in left.items():
                self._scribe.store.save_row(time_ns, row)
            self.save()
