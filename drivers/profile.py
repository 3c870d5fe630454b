"""Device profiles: what a type of device can say, and where."""

from collections.abc import Mapping
from dataclasses import field

from drivers.point import Point
from drivers.reading import Block
from drivers.value import frozen

__all__ = ["AccountSpec", "Identity", "Point", "Profile"]


@frozen
class AccountSpec:
    """An account that every device of this type can keep: `from_` and `check` are names of quantities."""

    name: str
    carrier: str
    from_: str
    check: str | None = None


@frozen
class Identity:
    """Registers that never change; `expect` is their content in lower-case hex, None when not known beforehand."""

    function: int
    address: int
    count: int
    expect: str | None = None


@frozen
class Profile:
    """A type of device."""

    name: str
    """The catalogue name, or the path as the configuration gives it."""
    model: str
    kind: str
    source: str
    content: bytes = field(repr=False)
    """The file as it was read: it may be another by now."""
    digest: str
    """`sha256:` and the hash of the file's bytes."""
    points: tuple[Point, ...]
    accounts: tuple[AccountSpec, ...]
    identity: Identity | None
    max_registers: int
    max_gap: int
    holes: tuple[Block, ...]
    """Addresses that must not be read, not even as part of a larger block."""
    index: Mapping[str, int] = field(init=False, compare=False, repr=False)
    """Position in `points` by name."""

    def __post_init__(self) -> None:
        index = {point.name: position for position, point in enumerate(self.points)}
        object.__setattr__(self, "index", index)

    def point(self, name: str) -> Point:
        """Return a point by name; raise KeyError when the device has none such."""
        return self.points[self.index[name]]
