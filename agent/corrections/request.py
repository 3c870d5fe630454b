"""What a command asks of the agent: a file beside the store, taken by the running agent or by the command itself.

A request is whole when it is there (it is renamed into place), and is gone when it is done; then there is an answer.
"""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.corrections.noticing import Folder
from agent.metering.amount import Declaration
from agent.output.entry import Entry
from agent.record import rfc3339
from agent.store import StoreError
from agent.store.place import lock
from drivers.regular_file import read_regular
from drivers.value import frozen


@frozen
class Revise:
    """Weigh the intervals that start in [start_ns, end_ns) anew, of one account or (empty) of all.

    `factors` names the configuration and factor sets that whoever asks has seen the outcome of.
    """

    start_ns: int
    end_ns: int
    account: str
    reason: str
    author: str
    factors: str


@frozen
class Withdrawal:
    """Take back what was declared of a counter so; `reason` and `author` are those of the withdrawal."""

    account: str
    time_ns: int
    last: float | None
    first: float
    reason: str
    author: str

    @property
    def declaration(self) -> Declaration:
        """What is taken back, but for who declared it and why."""
        return Declaration(self.account, self.time_ns, self.last, self.first, self.reason, self.author)


Request = Declaration | Withdrawal | Revise | Entry
_KINDS: Mapping[str, type[Request]] = {
    "declaration": Declaration,
    "withdrawal": Withdrawal,
    "revise": Revise,
    "entry": Entry,
}


def told(request: Request) -> str:
    """Return what is asked for in one line of a log, with the command that asks it."""
    if isinstance(request, Declaration | Withdrawal):
        last = "" if request.last is None else f"last {request.last:.15g}, "
        what = f"replace-meter {request.account} at {rfc3339(request.time_ns)}: {last}first {request.first:.15g}"
        what += ", withdrawn" if isinstance(request, Withdrawal) else ""
    else:
        what = f"revise {request.account or 'all accounts'}"
        if isinstance(request, Entry):
            what = f"output {request.account} {request.amount:.15g}"
        what += f" from {rfc3339(request.start_ns)} to {rfc3339(request.end_ns)}"
    return f"{what}, asked by {request.author}: {request.reason}"


class RequestError(Exception):
    """Raised for a request that cannot be read; says why."""


def ask(store: Path, request: Request) -> str:
    """Leave a request for whoever owns a store; return its name. Raises OSError."""
    name = secrets.token_hex(8)
    kind = next(kind for kind, shape in _KINDS.items() if isinstance(request, shape))
    fields = {field: getattr(request, field) for field in request.__dataclass_fields__}
    _put(_place(store, "request", name), {"kind": kind, **fields})
    return name


def in_use(store: Path) -> bool:
    """Return whether an agent has a store open. Raises OSError where that cannot be told."""
    try:
        os.close(lock(store))
    except StoreError:
        return True
    return False


class Inbox:
    """What is asked for beside a store, looked at only where something may have come."""

    def __init__(self, store: Path) -> None:
        self._store, self._folder = store, Folder(store.parent)
        self._last: list[tuple[str, Request | RequestError]] = []

    async def asked(self) -> list[tuple[str, Request | RequestError]]:
        """Return what is asked for by name, the oldest first; what could not be answered comes again."""
        if self._last or self._folder.may_have_more():
            self._last = await asyncio.to_thread(self._look)
        return self._last

    def _look(self) -> list[tuple[str, Request | RequestError]]:
        self._folder.watch()
        return list(requests(self._store))

    async def answer(self, name: str, found: Mapping[str, Any]) -> None:
        """Answer a request, which is done with that. Raises OSError."""
        await asyncio.to_thread(answer, self._store, name, found)


def requests(store: Path) -> Iterator[tuple[str, Request | RequestError]]:
    """Yield the requests left for a store by name, the oldest first."""
    prefix = f"{store.name}.request-"
    try:
        found = [each for each in os.scandir(store.parent) if each.name.startswith(prefix)]
    except OSError:
        return
    for each in sorted(found, key=_age):
        if each.name.endswith(".json"):
            yield each.name.removeprefix(prefix).removesuffix(".json"), _read(Path(each.path))


def answer(store: Path, name: str, found: Mapping[str, Any]) -> None:
    """Answer a request, which is done with that. Raises OSError."""
    _put(_place(store, "answer", name), found)
    _place(store, "request", name).unlink(missing_ok=True)


def answered(store: Path, name: str) -> dict[str, Any] | None:
    """Return the answer to a request and take it away; None while there is none."""
    place = _place(store, "answer", name)
    try:
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        place.unlink()
    return found


def withdraw(store: Path, name: str) -> None:
    """Take a request back. Raises OSError."""
    _place(store, "request", name).unlink(missing_ok=True)


def _place(store: Path, what: str, name: str) -> Path:
    return store.with_name(f"{store.name}.{what}-{name}.json")


def _put(place: Path, content: Mapping[str, Any]) -> None:
    draft = place.with_suffix(".part")
    try:
        draft.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        draft.chmod(0o644)  # whoever asks may be another user than the agent
        draft.replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()  # of a full disk an empty one would stay
        raise


def _age(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def _read(place: Path) -> Request | RequestError:
    try:
        fields = json.loads(read_regular(place))
        return _KINDS[fields.pop("kind")](**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return RequestError(f"{place}: is no request ({error!r})")
