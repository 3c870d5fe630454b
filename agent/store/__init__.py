"""The store: what was measured, until every receiver has it."""

from agent.store.chain import GENESIS, SEAL_SCHEMA, canonical, record_hash
from agent.store.dead_letter import DeadLetter
from agent.store.file import discard_dead_letters
from agent.store.journal import Store
from agent.store.reader import read_chained, read_dead_letters, read_head, read_intervals, read_status
from agent.store.schema import StoreError
from agent.store.settled import Lane
from agent.store.status import SinkStatus, StoreStatus
from agent.store.trouble import store_alarms
from agent.store.upkeep import FOUND

__all__ = [
    "FOUND",
    "GENESIS",
    "SEAL_SCHEMA",
    "DeadLetter",
    "Lane",
    "SinkStatus",
    "Store",
    "StoreError",
    "StoreStatus",
    "canonical",
    "discard_dead_letters",
    "read_chained",
    "read_dead_letters",
    "read_head",
    "read_intervals",
    "read_status",
    "record_hash",
    "store_alarms",
]
