"""How large a store may be, what may wait for it in memory, and what a commit needs."""

from collections.abc import Sequence

from agent.store.batch import Batch
from agent.store.dead_letter import DeadLetter

PAGE = 4096
SMALLEST = 512 << 10
"""The least maximum size [bytes]."""
OTHER_PAGES = 32
"""Pages of a commit beside its rows: inner pages, free lists, cursors, the inventory."""
_GROWTH_PAGES = 12
"""Pages by which a commit may grow the trees beside its rows: a split or two for each it touches."""


def queue_bytes(max_size: int) -> int:
    """Return how many bytes may wait in memory, and so in one commit, for a store of `max_size` bytes."""
    return min(16 << 20, max(min(128 << 10, max_size // 8), max_size // 32))


def pages(batch: Batch, refused: Sequence[DeadLetter]) -> int:
    """Return an upper estimate of the pages a batch needs."""
    sizes = [len(record.payload) + len(record.key) + 40 for record in batch.records]
    sizes += [len(letter.record.payload) + len(letter.reason) + 80 for letter in refused]
    sizes += [len(value) for values in (batch.states, batch.rows) for value in values.values()]
    needed = sum(1 / (PAGE // max(size, 1)) if size < PAGE else size // (PAGE - 100) + 2 for size in sizes)
    return int(needed) + _GROWTH_PAGES
