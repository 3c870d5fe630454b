"""What records tell besides amounts: program, configuration, factors and captures, what happened, what is lost."""

from collections.abc import Iterator
from typing import Any

from agent.bundle.lost import LostTime
from agent.bundle.spans import Spans
from agent.record import rfc3339, time_ns

Body = dict[str, Any]
_OF_EVIDENCE = (
    *("time", "what", "name", "version", "digest", "size", "python", "public_key"),
    *("first", "last", "exchanges", "seal", "seq"),
)
_SAME = ("what", "name", "version", "digest", "python", "public_key", "seal")
_MOST_LISTED = 500


class Trail:
    """Takes the records of a bundle in their order; tells of [start_ns, end_ns) (Unix, ns)."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self.start_ns, self.end_ns = start_ns, end_ns
        self.records = 0
        self.captures: list[Body] = []
        """What records say of capture files, also of those of other times."""
        self.gaps: list[Body] = []
        self.seals: list[Body] = []
        self.unsealed = 0
        """Records behind the last seal."""
        self._evidence: dict[tuple[object, ...], Body] = {}
        self._events: dict[tuple[str, str], Body] = {}
        self._captured = Spans()
        self._lost = LostTime(rfc3339(start_ns), rfc3339(end_ns))

    def take(self, body: Body) -> None:
        """Take a record."""
        self.records += 1
        kind = str(body.get("schema", "")).partition("/")[2].partition("/")[0]
        lost = self._lost.overlaps(body)
        self.unsealed = 0 if kind == "seal" else self.unsealed + 1
        if kind == "seal":
            self._seal(body)
        elif kind == "evidence":
            self._take_evidence(body)
        elif kind == "event" and self._within(body):
            self._event(body)
        elif kind == "gap" and (lost or self._within(body)):
            self.gaps.append({name: body[name] for name in ("time", "from_seq", "to_seq", "kinds", "reason")})

    def _within(self, body: Body) -> bool:
        return rfc3339(self.start_ns) <= str(body["time"]) < rfc3339(self.end_ns)

    def _seal(self, body: Body) -> None:
        told = {name: body[name] for name in ("time", "seq", "from_seq", "to_seq", "count", "public_key", "hash")}
        # The first and the last tell what all others lie between.
        self.seals[1:] = [told] if self.seals else []
        self.seals = self.seals or [told]

    def _take_evidence(self, body: Body) -> None:
        told = {name: body[name] for name in _OF_EVIDENCE if name in body}
        if body["what"] == "capture":
            self.captures.append(told)
            if "first" in told and "last" in told:
                self._captured.add(time_ns(told["first"]), time_ns(told["last"]))
        elif str(body["time"]) < rfc3339(self.end_ns):
            # It is told again each day: what stays the same is listed once.
            same = tuple(str(told.get(name)) for name in _SAME)
            self._evidence.setdefault(same, told)["until"] = told["time"]

    def _event(self, body: Body) -> None:
        """Note an event; those alike are told of as one."""
        name = str(body.get("name") or body.get("rule") or "")
        where = str(body.get("account") or body.get("device") or "")
        found = self._events.setdefault(
            (name, where), {"name": name, "where": where, "count": 0, "first": body["time"], "text": body["text"]}
        )
        found["count"] += 1
        found["last"] = body["time"]

    @property
    def evidence(self) -> list[Body]:
        """What the records were made with, each once, `time` and `until` being the first and last time it was told."""
        return list(self._evidence.values())

    @property
    def events(self) -> list[Body]:
        """What happened, by time; of each kind and place once."""
        return sorted(self._events.values(), key=lambda each: str(each["first"]))[:_MOST_LISTED]

    def uncaptured(self, longest_pause_ns: int, interval_ns: int) -> Iterator[Body]:
        """Yield the stretches of the period that no capture file tells of; shorter ones are pauses of polling.

        At the end of the period none is: its last interval takes what comes behind it. At the beginning an interval is.
        """
        for start_ns, end_ns in self._captured.holes(self.start_ns, self.end_ns):
            pause_ns = min(longest_pause_ns, interval_ns - 1) if start_ns == self.start_ns else longest_pause_ns
            if end_ns == self.end_ns or end_ns - start_ns > pause_ns:
                yield {"from": rfc3339(start_ns), "to": rfc3339(end_ns)}
