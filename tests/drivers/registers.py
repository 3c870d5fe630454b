"""Profiles of a few points, and what a codec reads of registers written down by hand."""

from collections.abc import Mapping

from drivers.codec import Codec
from drivers.document import Document
from drivers.errors import LineError
from drivers.frame import Frame
from drivers.plan import plan
from drivers.profile import Profile
from drivers.profile_file import _Loader
from drivers.reading import Block, Exchange, Outcome

HEAD = 'model = "M"\nkind = "plc"\nsource = "manual"\nfunction = 3\ntype = "uint16"\nmax_gap = 9\n'


def profile(points: str, head: str = HEAD) -> Profile:
    return _Loader(Document("p.toml", f"{head}[points]\n{points}\n")).load("p")


def exchange(block: Block, data: bytes, *, outcome: Outcome = Outcome.OK, at: int = 7, exception: int = 0) -> Exchange:
    return Exchange("line", 1, block, b"request", b"reply", data, at - 1, at, at + 1000, outcome, exception)


def read(known: Profile, memory: Mapping[int, Mapping[int, int]]) -> Frame:
    """Decode a poll of a device with these registers and bits; addresses that are not given hold 0."""
    planned = plan(known, every_s=1)
    exchanges: dict[Block, Exchange | LineError] = {}
    for item in planned:
        cells = [memory.get(item.block.function, {}).get(at, 0) for at in range(item.block.address, item.block.end)]
        if item.block.function in {3, 4}:
            data = b"".join(cell.to_bytes(2) for cell in cells)
        else:
            bits = sum(cell << position for position, cell in enumerate(cells))
            data = bits.to_bytes((len(cells) + 7) // 8, "little")
        exchanges[item.block] = exchange(item.block, data)
    return Codec(known, planned).decode("device", exchanges)


SCALED = """\
active_power = { address = 0, unit = "W", type = "int16", scale_from = "_power", range = [-50000, 50000] }
voltage = { address = 1, unit = "V", scale = 0.1, scale_from = "_ratio" }
temperature = { address = 2, unit = "K", scale = 0.1, scale_from = "_temperature" }
_power = { address = 3, unit = "exponent", type = "int16", missing = [0x8000] }
_ratio = { address = 4, unit = "factor", range = [1, 100] }
_temperature = { address = 5, unit = "exponent", type = "int16" }
"""

NUMERIC = {
    "uint16": (1, ">H"), "int16": (1, ">h"), "uint32": (2, ">I"), "int32": (2, ">i"),
    "uint64": (4, ">Q"), "int64": (4, ">q"), "float32": (2, ">f"), "float64": (4, ">d"),
}  # fmt: skip
