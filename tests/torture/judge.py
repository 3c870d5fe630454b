"""Checks that several cases share: nothing missing, repeats recognisable, in order, booked once."""

import json
from dataclasses import dataclass, field

from tests.servers import Database
from tests.soak.finding import Finding
from tests.torture.oracle import Committed, conservation
from tests.torture.receivers import IN_DATABASE, Identity, Received, database_numbers
from tests.torture.rig import until

_ARRIVE_S = 30.0
_SEARCHABLE_S = 10.0


@dataclass(slots=True)
class Expected:
    """What was seen committed at one time or another."""

    records: dict[Identity, bytes] = field(default_factory=dict)
    kinds: dict[Identity, str] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    """Highest number by epoch: all below it were committed, except those that a gap record names as in doubt."""

    @property
    def epochs(self) -> set[str]:
        """The lives of the file."""
        return set(self.last)

    @property
    def count(self) -> int:
        """How many records were committed."""
        return sum(self.last.values())

    def identities(self, received: Received) -> set[Identity]:
        """All records that were committed: seen in the file, or not named by a gap record for want of a last commit."""
        known = {(epoch, seq) for epoch, last in self.last.items() for seq in range(1, last + 1)}
        return (known - received.in_doubt()) | self.records.keys()

    def see(self, now: Committed) -> None:
        """Add what stands in the file."""
        self.records.update(now.records)
        self.kinds.update(now.kinds)
        self.last[now.epoch] = max(self.last.get(now.epoch, 0), now.last_seq)


def all_came(
    finding: Finding, expected: Expected, received: Received, database: Database | None, last: Committed
) -> None:
    """Expect every committed record at the subscriber, and in the database where it belongs there.

    What the store still keeps for a receiver, as of `last`, is not lost either; it is counted.
    """
    waiting = last.waiting("mqtt")

    def missed() -> set[Identity]:
        came = _came(received)
        return expected.identities(received) - waiting - came

    until(lambda: not missed(), "", timeout_s=_ARRIVE_S, pause_s=0.2)
    missing, wanted = missed(), expected.identities(received) - waiting
    finding.problems += [
        f"record {seq} of {epoch} did not come ({expected.kinds.get((epoch, seq), '?')})"
        for epoch, seq in sorted(missing)
    ]
    finding.problems += [f"record {seq} of {epoch} came again with another content" for epoch, seq in received.altered]
    late = received.out_of_order()
    finding.problems += [f"record {seq} of {epoch} came out of order" for epoch, seq in late]
    finding.figures["records committed"] = f"{len(wanted | waiting):,}, {len(waiting):,} of them still waiting"
    finding.figures["missing at the subscriber / repeats / altered / out of order"] = (
        f"{len(missing)} / {received.repeats} / {len(received.altered)} / {len(late)}"
    )
    if database is not None:
        _all_in_database(finding, wanted - last.waiting("influx"), received, database)


def _came(received: Received) -> set[Identity]:
    """Return what came; what was delivered while the file could not be written has an epoch with a suffix."""
    return {(epoch.partition("-")[0], seq) for epoch, seq in received.read_on().arrivals}


def _all_in_database(finding: Finding, wanted: set[Identity], received: Received, database: Database) -> None:
    kinds = {(epoch.partition("-")[0], seq): a.kind for (epoch, seq), a in received.arrivals.items()}
    numbers = {identity[1] for identity in wanted if kinds.get(identity) in IN_DATABASE}
    absent: set[int] = set(numbers)

    def complete() -> bool:
        absent.intersection_update(numbers - database_numbers(database))
        return not absent

    until(complete, "", timeout_s=_SEARCHABLE_S, pause_s=1.0)
    finding.problems += [f"record {seq} is not in the database" for seq in sorted(absent)]
    finding.figures["missing in the database"] = f"{len(absent)} of {len(numbers):,}"


def booked_once(finding: Finding, received: Received, last: Committed) -> None:
    """Expect that intervals, delivered or still in the store, and what is open add up to the counters."""
    intervals = {(str(body["epoch"]), int(body["seq"])): body for body in received.intervals}
    for identity in last.waiting("mqtt"):
        if last.kinds[identity] == "interval":
            intervals[identity] = json.loads(last.records[identity])
    problems, accounts = conservation(list(intervals.values()), last.states)
    finding.problems += problems
    finding.expect(accounts > 0, "no interval came")
    finding.figures["interval records"] = f"{len(received.intervals):,} of {accounts} accounts"
    finding.figures["booked"] = "exactly what the counters went on by" if not problems else "WRONG"
