"""Requests served without a running agent: by the command itself, with the agent's own books."""

import os
from pathlib import Path

from agent.bookkeeper import Bookkeeper
from agent.clock import boot_id, timekeeper
from agent.config import SiteConfig
from agent.conversions import library_of
from agent.corrections.desk import Corrections
from agent.ledger import Ledger
from agent.plant import build_plant
from agent.scribe import Scribe
from agent.store import Store, StoreError
from agent.store.place import lock


def runs(path: Path) -> bool:
    """Return whether an agent uses the store at a path. Raises OSError where that cannot be told."""
    try:
        os.close(lock(path))
    except StoreError:
        return True
    return False


async def serve(config: SiteConfig) -> None:
    """Serve every request left for a store that no agent uses, and save the books.

    Raises StoreError when it cannot be used after all, or the time is not known.
    """
    keeper = timekeeper()
    path = config.resolve(config.store.path)
    store = Store(
        path,
        max_size=config.store.max_size,
        commit_every_s=config.store.commit_every,
        site=config.site.name,
        stamp=keeper.stamp,
        sinks=[name for name, section in (("mqtt", config.mqtt), ("influx", config.influx)) if section],
    )
    keeper.look()
    if not keeper.believed:
        raise StoreError("the machine's clock is not known to be right yet: try again later")
    await store.open()
    try:
        plant = build_plant(config.devices, config.profiles, config.accounts, config.outputs, config.intensities)
        ledger = Ledger(config, plant, library_of(config), start_ns=keeper.started.wall_ns, boot_id=boot_id())
        bookkeeper = Bookkeeper(ledger, scribe := Scribe(store, site=config.site.name, keeper=keeper))
        corrections = Corrections(path, scribe, bookkeeper)
        corrections.keep(config, ledger)
        corrections.restore()
        ledger.restore(store.load_state)
        await corrections.turn()
        bookkeeper.save()
        await store.flush()
    finally:
        await store.close()
