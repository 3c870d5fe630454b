"""The tree of RFC 6962, 2.1, against its definition and the values published with Certificate Transparency."""

from collections.abc import Sequence

import pytest

from agent.audit.merkle import Tree
from tests.agent.audit.proving import by_definition

# https://github.com/google/certificate-transparency, merkle tree test vectors: inputs and roots of 1 to 8 leaves.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root_of(entries: Sequence[bytes]) -> bytes:
    tree = Tree()
    for entry in entries:
        tree.add(entry)
    return tree.root()


@pytest.mark.parametrize("count", range(1, 9))
def test_roots_are_those_published(count: int) -> None:
    assert root_of([bytes.fromhex(leaf) for leaf in LEAVES[:count]]).hex() == ROOTS[count - 1]


@pytest.mark.parametrize("count", [*range(40), 255, 256, 257, 1000])
def test_a_tree_built_leaf_by_leaf_is_that_of_the_definition(count: int) -> None:
    entries = [bytes([number % 256]) * 32 for number in range(count)]

    assert root_of(entries) == by_definition(entries)
