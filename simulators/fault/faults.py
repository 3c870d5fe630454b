"""The faults by name: pure, a request and its right reply in, bytes or timed chunks out.

Each fault belongs to one of three stages, and at most one of each stage strikes a reply:

    FRAME    what is sent instead of the right frame
    BYTES    what is added to the frame on its way
    TIMING   when which bytes go out

So a mix also meets an echo in fragments, or a late reply behind noise. What no reader can recognise is not among
the faults: RTU replies carry no number, so the same unit's answer to a request of the same function and length,
in time for the wrong request, is told from the right one by nothing on the wire.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from drivers.reading import Block
from simulators.fault.values import encode
from simulators.framing import Framing, Request

_EXCEPTION_FLAG = 0x80
_LAST_EXCEPTION = 11
_LAST_UNIT = 247
_MOST_NOISE = 8
_BURST_BITS = 16
_TWIN = {1: 2, 2: 1, 3: 4, 4: 3}
_LATE = (1.1, 1.5)
_SLOW = (0.3, 1.4)
_PAUSED = 0.7
_TURNAROUND_S = 0.001


class Stage(Enum):
    """What a fault changes."""

    FRAME = "frame"
    BYTES = "bytes"
    TIMING = "timing"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, how it was framed, and what a fault may need to know of the line."""

    request: Request
    framing: Framing
    tick: int
    units: tuple[int, ...]
    timeout_s: float
    previous: "Asked | None" = None

    @property
    def block(self) -> Block:
        """The block that is asked for."""
        pdu = self.request.pdu
        return Block(pdu[0], int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big"))

    @property
    def numbered(self) -> bool:
        """Whether a transaction number ties replies to requests: Modbus/TCP."""
        return bool(self.request.transaction)

    @property
    def echo(self) -> bytes:
        """The request's own bytes."""
        return self.framing.reply(self.request, self.request.pdu)

    def answer(self, *, unit: int | None = None, block: Block | None = None) -> bytes:
        """Return the frame with the values of this request, or of another unit or block at this time."""
        unit = self.request.unit if unit is None else unit
        block = block or self.block
        return self.frame(block.function, encode(unit, block, self.tick), unit=unit)

    def frame(self, function: int, data: bytes, *, unit: int | None = None) -> bytes:
        """Return a frame with data and its count."""
        return self.bare(bytes([function, len(data) & 0xFF]) + data, unit=unit)

    def bare(self, pdu: bytes, *, unit: int | None = None) -> bytes:
        """Return a frame with a PDU as it stands."""
        return self.framing.reply(self.request if unit is None else replace(self.request, unit=unit), pdu)


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes for the wire.

    `right_end` is where in them the right reply ends, None when it is not among them; the first `echoed` bytes do
    not come from the device and so do not wait for it. What is in `one_piece` is not parted by pauses.
    """

    data: bytes
    right_end: int | None
    echoed: int = 0
    one_piece: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes to send so many seconds after the request; None closes the connection."""

    after_s: float
    data: bytes | None


Strike = Callable[[Asked, Sent, random.Random], Sent]
Spread = Callable[[Asked, Sent, random.Random], list[Chunk]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave; `tcp` and `rtu` say in which framing it exists."""

    name: str
    stage: Stage
    what: str
    strike: Strike | None = None
    spread: Spread | None = None
    tcp: bool = True
    rtu: bool = True

    def exists(self, *, numbered: bool) -> bool:
        """Whether a line of this framing can have it."""
        return self.tcp if numbered else self.rtu


def _other_request(asked: Asked, _: Sent, rng: random.Random) -> Sent:
    previous = asked.previous
    if asked.numbered and previous is not None and rng.random() < 0.5:  # noqa: PLR2004 - one of two ways
        return Sent(previous.answer(), None)
    block = asked.block
    if block.function in (1, 2) or rng.random() < 0.5:  # noqa: PLR2004 - one of two ways
        other = replace(block, function=_TWIN[block.function])
    else:
        other = replace(block, count=block.count + 1 if block.count == 1 else block.count - 1)
    return Sent(asked.answer(block=other), None)


def _other_unit(asked: Asked, _: Sent, rng: random.Random) -> Sent:
    own = asked.request.unit
    unit = rng.choice([unit for unit in asked.units if unit != own] or [own % _LAST_UNIT + 1])
    return Sent(asked.answer(unit=unit), None)


def _counted(asked: Asked, rng: random.Random, *, longer: bool) -> Sent:
    """Send too few or too many data bytes, with a count that tells so or one that hides it."""
    right = encode(asked.request.unit, asked.block, asked.tick)
    size = rng.randint(1, 2)
    data = right + rng.randbytes(size) if longer else right[:-size]
    function = asked.block.function
    if rng.random() < 0.5:  # noqa: PLR2004 - one of two ways
        return Sent(asked.frame(function, data), None)
    return Sent(asked.bare(bytes([function, len(right)]) + data), None)


def _crc(_: Asked, sent: Sent, rng: random.Random) -> Sent:
    """Damage what the checksum provably finds: up to three bits, or a burst no longer than itself."""
    bits = len(sent.data) * 8
    number = int.from_bytes(sent.data, "big")
    if rng.random() < 0.5:  # noqa: PLR2004 - one of two ways
        for at in rng.sample(range(bits), rng.randint(1, 3)):
            number ^= 1 << at
    else:
        number ^= rng.randint(1, (1 << _BURST_BITS) - 1) << rng.randrange(bits - _BURST_BITS)
    return Sent(number.to_bytes(len(sent.data), "big"), None)


def _transaction(asked: Asked, sent: Sent, rng: random.Random) -> Sent:
    number = int.from_bytes(asked.request.transaction, "big")
    wrong = (number + rng.choice((-1, 1, rng.randint(2, 0xFFFE)))) & 0xFFFF
    return Sent(wrong.to_bytes(2, "big") + sent.data[2:], None)


def _header(_: Asked, sent: Sent, rng: random.Random) -> Sent:
    at = rng.randrange(2, 6)
    wrong = sent.data[at] ^ rng.randint(1, 255)
    return Sent(sent.data[:at] + bytes([wrong]) + sent.data[at + 1 :], None)


def _exception(asked: Asked, _: Sent, rng: random.Random) -> Sent:
    code = rng.randint(1, _LAST_EXCEPTION)
    return Sent(asked.bare(bytes([asked.block.function | _EXCEPTION_FLAG, code])), None)


def _silence(_: Asked, __: Sent, ___: random.Random) -> Sent:
    return Sent(b"", None)


def _leading(_: Asked, sent: Sent, rng: random.Random) -> Sent:
    return _before(rng.randbytes(rng.randint(1, _MOST_NOISE)), sent)


def _trailing(_: Asked, sent: Sent, rng: random.Random) -> Sent:
    return Sent(sent.data + rng.randbytes(rng.randint(1, _MOST_NOISE)), sent.right_end)


def _echo(asked: Asked, sent: Sent, rng: random.Random) -> Sent:
    """Repeat the request before the reply; now and then twice, or behind a stray byte of the switching."""
    stray = rng.choice((b"", b"", b"", b"", b"\0", b"\xff", asked.echo))
    echo = stray + asked.echo
    return replace(_before(echo, sent), echoed=len(echo))


def _repeat(_: Asked, sent: Sent, __: random.Random) -> Sent:
    # With a pause between them the second would be in time for the next request: nobody could tell.
    return Sent(sent.data + sent.data, sent.right_end, one_piece=True)


def _before(noise: bytes, sent: Sent) -> Sent:
    return Sent(noise + sent.data, None if sent.right_end is None else len(noise) + sent.right_end)


def _late(asked: Asked, sent: Sent, rng: random.Random) -> list[Chunk]:
    return _after(rng.uniform(*_LATE) * asked.timeout_s, sent)


def _fragments(asked: Asked, sent: Sent, rng: random.Random) -> list[Chunk]:
    if sent.one_piece:
        return at_once(sent)
    cuts = sorted(rng.sample(range(1, len(sent.data)), min(rng.randint(1, 4), len(sent.data) - 1)))
    times = sorted(rng.uniform(0, _PAUSED) * asked.timeout_s for _ in cuts)
    ends = [*cuts, len(sent.data)]
    return [Chunk(at, sent.data[start:end]) for at, start, end in zip([0.0, *times], [0, *cuts], ends, strict=True)]


def _slow(asked: Asked, sent: Sent, rng: random.Random) -> list[Chunk]:
    if sent.one_piece:
        return at_once(sent)
    each_s = rng.uniform(*_SLOW) * asked.timeout_s / len(sent.data)
    return [Chunk(at * each_s, sent.data[at : at + 1]) for at in range(len(sent.data))]


def _reset(_: Asked, sent: Sent, rng: random.Random) -> list[Chunk]:
    return [Chunk(0.0, sent.data[: rng.randrange(len(sent.data))]), Chunk(0.001, None)]


def at_once(sent: Sent) -> list[Chunk]:
    """Return the bytes as they go out without delay."""
    return _after(_TURNAROUND_S if sent.echoed else 0.0, sent)


def _after(seconds: float, sent: Sent) -> list[Chunk]:
    """Return the echo at once, and what the device itself sends after so many seconds."""
    parts = ((0.0, sent.data[: sent.echoed]), (seconds, sent.data[sent.echoed :]))
    return [Chunk(after_s, data) for after_s, data in parts if data]


SWAP = "swap"
"""Not a function of one request: `simulators.fault.device` keeps the answers that change places."""

_ALL: Sequence[Fault] = (
    Fault("late", Stage.TIMING, "the right reply, 1.1 to 1.5 times the time-out after the request", spread=_late),
    Fault(
        "other-request",
        Stage.FRAME,
        "the reply to another request: other function or length, over TCP also the one before",
        strike=_other_request,
    ),
    Fault("other-unit", Stage.FRAME, "another unit's reply, under that unit's number", strike=_other_unit),
    Fault(SWAP, Stage.FRAME, "keeps an answer back, gives it to the next unit asked, and that one's to the first"),
    Fault(
        "short",
        Stage.FRAME,
        "one or two data bytes too few, with a byte count that tells so or one that hides it",
        strike=lambda asked, _, rng: _counted(asked, rng, longer=False),
    ),
    Fault(
        "long",
        Stage.FRAME,
        "one or two data bytes too many, with a byte count that tells so or one that hides it",
        strike=lambda asked, _, rng: _counted(asked, rng, longer=True),
    ),
    Fault("crc", Stage.FRAME, "one to three bits or up to 16 neighbouring bits turned over", strike=_crc, tcp=False),
    Fault("transaction", Stage.FRAME, "the transaction number of another request", strike=_transaction, rtu=False),
    Fault("header", Stage.FRAME, "a wrong protocol number or length in the header", strike=_header, rtu=False),
    Fault("exception", Stage.FRAME, "a Modbus exception with a code from 1 to 11", strike=_exception),
    Fault("silence", Stage.FRAME, "no reply", strike=_silence),
    Fault("leading", Stage.BYTES, "1 to 8 bytes of noise before the reply", strike=_leading),
    Fault("trailing", Stage.BYTES, "1 to 8 bytes of noise behind the reply", strike=_trailing),
    Fault(
        "echo",
        Stage.BYTES,
        "the request's own bytes first (RS-485 adapter), at times twice or after a stray byte",
        strike=_echo,
        tcp=False,
    ),
    Fault("repeat", Stage.BYTES, "the reply twice in one piece", strike=_repeat),
    Fault("fragments", Stage.TIMING, "2 to 5 pieces with pauses, whole within 0.7 of the time-out", spread=_fragments),
    Fault("slow", Stage.TIMING, "byte by byte, whole after 0.3 to 1.4 of the time-out", spread=_slow),
    Fault("reset", Stage.TIMING, "breaks off within the reply; over a network it closes the connection", spread=_reset),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
