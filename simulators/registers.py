"""The registers of one simulated device: what its profile says, filled with what its physics says.

Served are the addresses of the profile's points and identity, and gaps no wider than the profile calls worth
reading through; a declared hole and everything else is an illegal address.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from drivers.codec import encode
from drivers.point import Point
from drivers.profile import Profile
from drivers.quantity import Kind
from drivers.reading import Block
from simulators.constant import plausible

Values = Mapping[str, float | str]
ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 2, 3, 4
_MAX_BITS = 2000  # of one request, Modbus Application Protocol 1.1b3, 6.1
_BIT_FUNCTIONS = (1, 2)


class Refusal(Exception):
    """Raised when a device would answer with a Modbus exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class Registers:
    """A device's registers, all of one moment: they change only by `refresh`."""

    def __init__(self, profile: Profile, values: Callable[[], Values]) -> None:
        """Fill the registers once; raise ValueError when a value does not fit its point."""
        self._profile = profile
        self._values = values
        # Helper points are left to the codec: exponent 0, factor 1.
        self._constants = {point.name: plausible(point, point.quantity) for point in profile.points if point.quantity}
        self._identity = _identity(profile)
        self._served = {function: _served(profile, function) for function in (1, 2, 3, 4)}
        self._image: dict[int, dict[int, int]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take the values of this moment; raise ValueError when one does not fit its point."""
        said = self._values()
        values = {
            name: _shown(self._profile.point(name), said.get(name, constant))
            for name, constant in self._constants.items()
        }
        image = encode(self._profile, values)
        for function, words in self._identity.items():
            image.setdefault(function, {}).update(words)
        self._image = image

    def read(self, block: Block) -> bytes:
        """Return the data bytes of a reply; raise Refusal."""
        bits = block.function in _BIT_FUNCTIONS
        if not 1 <= block.count <= (_MAX_BITS if bits else self._profile.max_registers):
            raise Refusal(ILLEGAL_VALUE)
        addresses = range(block.address, block.end)
        served = self._served[block.function]
        if not all(address in served for address in addresses):
            raise Refusal(ILLEGAL_ADDRESS)
        image = self._image.get(block.function, {})
        if not bits:
            return b"".join(image.get(address, 0).to_bytes(2, "big") for address in addresses)
        packed = sum(image.get(address, 0) << offset for offset, address in enumerate(addresses))
        return packed.to_bytes((block.count + 7) // 8, "little")


def _shown(point: Point, value: float | str) -> float | str:
    """Return what a device's display makes of a value: counters cut off, never round up, and wrap."""
    if isinstance(value, str) or point.quantity is None or point.quantity.kind is not Kind.COUNTER:
        return value
    if not point.resolution:
        return value % point.modulus if point.modulus else value
    counts = math.floor(value / point.resolution)
    if point.modulus:
        counts %= round(point.modulus / point.resolution)
    return counts * point.resolution


def _identity(profile: Profile) -> dict[int, dict[int, int]]:
    identity = profile.identity
    if identity is None:
        return {}
    own = bytes.fromhex(identity.expect) if identity.expect else b"\x53\x49" * identity.count
    words = {identity.address + n: int.from_bytes(own[2 * n : 2 * n + 2], "big") for n in range(identity.count)}
    return {identity.function: words}


def _served(profile: Profile, function: int) -> frozenset[int]:
    spans = [range(point.address, point.end) for point in profile.points if point.function == function]
    served = {address for span in _joined(spans, profile.max_gap) for address in span}
    if profile.identity and profile.identity.function == function:
        served |= set(range(profile.identity.address, profile.identity.address + profile.identity.count))
    holes = {a for hole in profile.holes if hole.function == function for a in range(hole.address, hole.end)}
    return frozenset(served - holes)


def _joined(spans: Iterable[range], gap: int) -> list[range]:
    joined: list[range] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and span.start - joined[-1].stop <= gap:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return joined
