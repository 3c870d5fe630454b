"""What stands on a misbehaving line: units whose replies are struck by faults, chosen by a seeded generator.

The same requests in the same order meet the same faults; the values tell the time and so differ.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from drivers.reading import Block
from simulators.fault.faults import FAULTS, SWAP, Asked, Chunk, Fault, Sent, Stage, at_once
from simulators.fault.values import encode
from simulators.framing import Framing, Request

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _TARGET_SILENT = 1, 2, 3, 11
_MOST = {1: 2000, 2: 2000, 3: 125, 4: 125}
_READ_PDU = 5
_ADDRESSES = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent for one request, and what was done to it.

    `right` are the data of the right reply; `right_end` is how many bytes of the chunks go out until an unharmed
    right reply is whole, None when none is among them.
    """

    unit: int
    block: Block
    right: bytes
    faults: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    right_end: int | None

    @property
    def right_after_s(self) -> float | None:
        """When the last byte of an unharmed right reply goes out [s after the request], None when none does."""
        sent = 0
        for chunk in self.chunks:
            sent += len(chunk.data or b"")
            if self.right_end is not None and sent >= self.right_end:
                return chunk.after_s
        return None

    def to_json(self, line: str, time_ns: int) -> bytes:
        """Return the line of the served log."""
        return orjson.dumps(
            {
                "time_ns": time_ns,
                "line": line,
                "unit": self.unit,
                "function": self.block.function,
                "address": self.block.address,
                "count": self.block.count,
                "data": self.right.hex(),
                "faults": self.faults,
                "right_after_s": self.right_after_s,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


class Misbehaving:
    """The units of one line; `chances` gives each fault's probability."""

    def __init__(self, units: Iterable[int], chances: Mapping[str, float], *, timeout_s: float, seed: int) -> None:
        self.units = tuple(units)
        self._timeout_s = timeout_s
        self._chances = {FAULTS[name]: chance for name, chance in chances.items()}
        self._rng = random.Random(seed)  # noqa: S311 - faults are to be repeatable, not secret
        self._previous: Asked | None = None
        self._swapped: dict[int, bytes] = {}
        """Frames that go out instead of the answer, by the unit asked; 0 stands for whichever is asked next."""
        self._keeper = 0

    def answer(self, request: Request, framing: Framing, tick: int) -> Answer | list[Chunk]:
        """Return what to send for a request that came at a tick: an answer, or chunks where it reads nothing."""
        asked = Asked(request, framing, tick, self.units, self._timeout_s, self._previous)
        if request.unit not in self.units:
            strange = bytes([request.pdu[0] | 0x80, _TARGET_SILENT])
            return at_once(Sent(asked.bare(strange) if framing.answers_for_strangers else b"", None))
        if code := _refusal(request.pdu):
            return at_once(Sent(asked.bare(bytes([request.pdu[0] | 0x80, code])), None))
        struck = self._struck(numbered=asked.numbered)
        self._previous = Asked(request, framing, tick, self.units, self._timeout_s)
        right = asked.answer()
        sent = self._exchanged(asked, right, swap=any(fault.name == SWAP for fault in struck))
        chunks = None
        for fault in struck:
            if fault.strike:
                sent = fault.strike(asked, sent, self._rng)
            elif fault.spread and sent.data:
                chunks = fault.spread(asked, sent, self._rng)
        chunks = at_once(sent) if chunks is None else chunks
        names = tuple(fault.name for fault in struck)
        data = encode(request.unit, asked.block, tick)
        return Answer(request.unit, asked.block, data, names, tuple(chunks), sent.right_end)

    def _struck(self, *, numbered: bool) -> list[Fault]:
        """Draw the faults of one reply, in the order of their stages."""
        struck = []
        for stage in Stage:
            drawn = self._rng.random()
            for fault, chance in self._chances.items():
                if fault.stage is stage and fault.exists(numbered=numbered):
                    drawn -= chance
                    if drawn < 0:
                        struck.append(fault)
                        break
        return struck

    def _exchanged(self, asked: Asked, right: bytes, *, swap: bool) -> Sent:
        """Return the right answer, or the one that stands in its place while two are being swapped."""
        unit = asked.request.unit
        if unit in self._swapped:
            return Sent(self._swapped.pop(unit), None)
        if 0 in self._swapped and unit != self._keeper:
            kept = self._swapped.pop(0)
            self._swapped[self._keeper] = right
            return Sent(kept, None)
        if swap:
            self._swapped[0] = right
            self._keeper = unit
            return Sent(b"", None)
        return Sent(right, len(right))


def _refusal(pdu: bytes) -> int:
    """Return the exception code for a request that cannot be read, 0 for one that can."""
    function = pdu[0]
    if function not in _MOST:
        return _ILLEGAL_FUNCTION
    count = int.from_bytes(pdu[3:5], "big")
    if len(pdu) != _READ_PDU or not 1 <= count <= _MOST[function]:
        return _ILLEGAL_VALUE
    return 0 if int.from_bytes(pdu[1:3], "big") + count <= _ADDRESSES else _ILLEGAL_ADDRESS
