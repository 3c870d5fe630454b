"""The Merkle tree over the hashes of records: RFC 6962, 2.1."""

import hashlib

_LEAF, _NODE = b"\x00", b"\x01"


class Tree:
    """A tree that leaves are added to one by one; holds one hash for each level, however many leaves there are."""

    def __init__(self) -> None:
        self.leaves = 0
        self._full: list[bytes] = []
        """Roots of the complete subtrees, the largest first: one for each bit of the number of leaves."""

    def add(self, entry: bytes) -> None:
        """Add a leaf."""
        node, size = hashlib.sha256(_LEAF + entry).digest(), self.leaves
        while size & 1:
            node, size = hashlib.sha256(_NODE + self._full.pop() + node).digest(), size >> 1
        self._full.append(node)
        self.leaves += 1

    def root(self) -> bytes:
        """Return the root; of an empty tree, the hash of nothing."""
        if not self._full:
            return hashlib.sha256().digest()
        *others, node = self._full
        for left in reversed(others):
            node = hashlib.sha256(_NODE + left + node).digest()
        return node
