"""Registers that tell whose they are: each value encodes unit, function, address and the time of its request.

The register at address `a` holds, by the remainder of `a` divided by four:

    0   unit (high byte) and function (low byte)
    1   the address `a` itself
    2   high word of the time
    3   low word of the time

The time is that of the request's arrival, in ticks of 10 µs of the machine's monotonic clock, modulo 2**32 (some
12 hours). So any four neighbouring registers name unit, function, address and request, and a value that was
accepted for another request is recognised, whatever went wrong. Coil or input `b` is bit `b % 16`, from the
lowest, of the register `b // 16` of its own function.
"""

import struct

from drivers.reading import Block

_PERIOD = 4
_TICK_NS = 10_000
_TICKS = 1 << 32
_WORD_BITS = 16
_GROUP = struct.Struct(">BBHI")
_BIT_FUNCTIONS = (1, 2)


def ticks(monotonic_ns: int) -> int:
    """Return a monotonic time [ns] as registers show it."""
    return monotonic_ns // _TICK_NS % _TICKS


def encode(unit: int, block: Block, tick: int) -> bytes:
    """Return the data bytes of the reply to a request that came at a tick: big-endian registers, or packed bits."""
    if block.function not in _BIT_FUNCTIONS:
        return _registers(unit, block.function, block.address, block.end, tick)
    first, shift = divmod(block.address, _WORD_BITS)
    last = -(-block.end // _WORD_BITS)
    words = _registers(unit, block.function, first, last, tick)
    stream = int.from_bytes(b"".join(words[at : at + 2][::-1] for at in range(0, len(words), 2)), "little")
    return (stream >> shift & (1 << block.count) - 1).to_bytes((block.count + 7) // 8, "little")


def doubt(unit: int, block: Block, data: bytes, since_ns: int, until_ns: int) -> str:
    """Say why data cannot answer a request that was sent and answered within two monotonic times [ns].

    Empty when it fits. A block that does not hold all 32 bits of the time is compared in its other bits.
    """
    tick = _tick(block, data)
    if tick is None:
        low, high = encode(unit, block, 0), encode(unit, block, _TICKS - 1)
        fixed = [~(one ^ other) & 0xFF for one, other in zip(low, high, strict=True)]
        fits = len(data) == len(low) and all(
            (got ^ due) & mask == 0 for got, due, mask in zip(data, low, fixed, strict=True)
        )
        return "" if fits else f"{data.hex()} is not of unit {unit}, {block}"
    if encode(unit, block, tick) != data:
        return f"{data.hex()} is not of unit {unit}, {block}"
    since, until = ticks(since_ns), ticks(until_ns)
    if (tick - since) % _TICKS > (until - since) % _TICKS:
        return f"of a request {(since - tick) % _TICKS * _TICK_NS / 1e9:.5f} s before this one of unit {unit}, {block}"
    return ""


def _registers(unit: int, function: int, start: int, end: int, tick: int) -> bytes:
    base = start - start % _PERIOD
    words = b"".join(_GROUP.pack(unit, function, at + 1, tick) for at in range(base, end, _PERIOD))
    return words[2 * (start - base) : 2 * (end - base)]


def _tick(block: Block, data: bytes) -> int | None:
    """Return the time in data, None where the block does not hold all of it."""
    address, words = block.address, data
    if block.function in _BIT_FUNCTIONS:
        address, shift = divmod(block.address, _WORD_BITS)
        if shift:
            return None
        whole = 2 * (block.count // _WORD_BITS)
        words = b"".join(data[at : at + 2][::-1] for at in range(0, whole, 2))
    high = 2 * ((2 - address) % _PERIOD)
    low = 2 * ((3 - address) % _PERIOD)
    if max(high, low) + 2 > len(words):
        return None
    return int.from_bytes(words[high : high + 2] + words[low : low + 2], "big")
