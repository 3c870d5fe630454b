"""The rooms around a real store in which corrections and entries are asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.corrections.desk import Corrections
from agent.corrections.request import Request, answered, ask
from agent.scribe import Scribe
from agent.store import Store
from agent.timekeeping import Clocks, Timekeeper


@dataclass
class Office:
    """What takes requests, at the moment it was opened."""

    config: SiteConfig
    store: Store
    ledger: Ledger
    bookkeeper: Bookkeeper
    corrections: Corrections
    now_ns: int

    async def asked(self, request: Request) -> dict[str, Any]:
        path = self.config.resolve(self.config.store.path)
        name = ask(path, request)
        await self.corrections.turn()
        found = answered(path, name)
        assert found is not None
        return found


Rooms = TypeVar("Rooms", bound=Office)


@asynccontextmanager
async def opened(rooms: type[Rooms], config: SiteConfig, now_ns: int) -> AsyncIterator[Rooms]:
    """Open an office with the books of earlier runs, at a time that both clocks show."""
    keeper = Timekeeper(lambda: Clocks(now_ns, now_ns, 0, True))
    keeper.look()
    path = config.resolve(config.store.path)
    store = Store(path, max_size=1 << 24, commit_every_s=1.0, site="works", stamp=keeper.stamp, sinks=[])
    await store.open()
    try:
        ledger = Ledger(config, config.library, start_ns=now_ns)
        bookkeeper = Bookkeeper(ledger, scribe := Scribe(store, site="works", keeper=keeper))
        corrections = Corrections(path, scribe, bookkeeper)
        corrections.keep(config, ledger)
        corrections.restore()
        ledger.restore(store.load_state)
        yield rooms(config, store, ledger, bookkeeper, corrections, now_ns)
    finally:
        await store.close()
