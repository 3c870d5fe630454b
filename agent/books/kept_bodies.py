"""The latest record of each account, kept in a fraction of what it takes as Python's objects."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import orjson

from agent.record import as_json

Body = dict[str, Any]


class BodiesByName(MutableMapping[str, Body]):
    """One body for each name, kept as JSON; what is asked for is a copy, so to change that changes nothing here."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> Body:
        """Return the body of a name; raise KeyError when there is none."""
        body: Body = orjson.loads(self._kept[name])
        return body

    def __setitem__(self, name: str, body: Body) -> None:
        """Keep a body; raise TypeError where JSON has no form for it."""
        self._kept[name] = as_json(body)

    def __delitem__(self, name: str) -> None:
        """Forget a name; raise KeyError when it is not known."""
        del self._kept[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._kept)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._kept)
