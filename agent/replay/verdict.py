"""What became of each recorded interval when it was made again."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from agent.record import encode
from agent.store import record_hash
from drivers.value import frozen

Body = dict[str, Any]
OF_THE_STORE = ("clock", "seq", "epoch", "previous")
"""Keys that say when and where a record came into the store: they follow from no reading."""
_MOST_TOLD = 20


@frozen
class Place:
    """Where something stands: a file, and how many exchanges of it came before."""

    file: str
    exchange: int

    def __str__(self) -> str:
        """Return the place in words."""
        return f"{self.file}, behind exchange {self.exchange}"


@frozen
class Difference:
    """A record that says `recorded` at `key` and, made again, `recomputed`; None stands for no such key."""

    account: str
    start: str
    revision: int
    key: str
    recorded: Any
    recomputed: Any
    place: Place

    def __str__(self) -> str:
        """Return it as one line."""
        said = f"recorded {_shown(self.recorded)}, recomputed {_shown(self.recomputed)}"
        revision = f", revision {self.revision}" if self.revision else ""
        where = f"{self.account} {self.start}".strip()
        return f"{where}{revision}: {self.key}: {said} ({self.place})"


@dataclass(slots=True)
class Counts:
    """What became of the intervals of one account."""

    identical: int = 0
    different: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Report:
    """Figures of a replay."""

    files: int = 0
    exchanges: int = 0
    polls: int = 0
    accounts: dict[str, Counts] = field(default_factory=dict)
    first: Difference | None = None
    unknown: Counter[str] = field(default_factory=Counter)
    """Intervals that cannot be made again, by why."""
    withdrawn: int = 0
    """Intervals that were lost with the power before they were committed, and recorded anew."""
    remarks: list[str] = field(default_factory=list)

    def of(self, account: str) -> Counts:
        """Return the counts of an account."""
        return self.accounts.setdefault(account, Counts())

    @property
    def total(self) -> Counts:
        """Return those of all accounts."""
        every = self.accounts.values()
        return Counts(*(sum(getattr(each, name) for each in every) for name in ("identical", "different", "unknown")))

    def remark(self, text: str) -> None:
        """Say something worth knowing, once."""
        if text not in self.remarks and len(self.remarks) < _MOST_TOLD:
            self.remarks.append(text)


def completed(body: Mapping[str, Any], record: Mapping[str, Any]) -> Body:
    """Return a record made again, with its place in the store as recorded and the hash that follows."""
    whole = {**body, **{key: record[key] for key in OF_THE_STORE if key in record}}
    read_back: Body = orjson.loads(encode(whole))
    return {**read_back, "hash": record_hash(read_back)}


def first_difference(recorded: Any, recomputed: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return the first key at which two records differ, and what each says there; None when they say the same."""
    for key, one, other in _both(recorded, recomputed):
        place = f"{path}.{key}" if path else key
        if isinstance(one, dict | list) and type(one) is type(other):
            if found := first_difference(one, other, place):
                return found
        elif one != other or type(one) is not type(other):
            return place, one, other
    return None


def _both(recorded: Any, recomputed: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(recorded, dict):
        for key in {**recorded, **recomputed}:
            if key != "hash":
                yield key, recorded.get(key), recomputed.get(key)
    else:
        for index in range(max(len(recorded), len(recomputed))):
            yield (
                f"[{index}]",
                recorded[index] if index < len(recorded) else None,
                recomputed[index] if index < len(recomputed) else None,
            )


def _shown(value: Any) -> str:
    return "nothing" if value is None else orjson.dumps(value).decode()
