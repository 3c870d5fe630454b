"""Asking one unit number after the other who is there, and those that are who they are."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.commissioning.guesses import Guess, constant, judge, questions
from drivers.errors import GATEWAY_CODES, BadReply, LineDown, LineError, NoReply, Refused
from drivers.profile import Profile
from drivers.reading import Block, Exchange

_MANY = 8


class Asks(Protocol):
    """What a line offers."""

    async def read(self, unit: int, block: Block) -> Exchange:
        """Read one block; raise LineError."""

    async def identification(self, unit: int) -> dict[int, str]:
        """Ask who a unit is; raise LineError."""


@dataclass(slots=True)
class Found:
    """A unit that answered: in which time [ms], with which bytes, and what it may be."""

    unit: int
    took_ms: float
    reply: bytes
    identification: dict[int, str] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)

    @property
    def fitting(self) -> list[Guess]:
        """The profiles that fit, the best first."""
        return [guess for guess in self.guesses if guess.fits]


@dataclass(slots=True)
class Sweep:
    """What is known of the units of a line so far."""

    found: dict[int, Found] = field(default_factory=dict)
    silent: list[int] = field(default_factory=list)
    garbled: list[int] = field(default_factory=list)
    """Units at whose request something came that is no reply: wrong settings, or two devices of one number."""


async def sweep(
    asks: Asks, units: Iterable[int], function: int, known: Sweep, progress: Callable[[int, int], None]
) -> None:
    """Ask each unit once for two registers, and note in `known` who is there; raise LineDown.

    Any reply shows that a unit is there, a refusal too, except a gateway's word that nobody answered it.
    """
    waiting = list(units)
    for number, unit in enumerate(waiting):
        progress(number, len(waiting))
        await _ask(asks, unit, Block(function, 0, 2), known)
    progress(len(waiting), len(waiting))


async def _ask(asks: Asks, unit: int, block: Block, known: Sweep) -> None:
    try:
        exchange = await asks.read(unit, block)
    except Refused as refusal:
        if refusal.code in GATEWAY_CODES or refusal.exchange is None:
            return
        exchange = refusal.exchange
    except NoReply:
        known.silent.append(unit)
        return
    except BadReply:
        known.garbled.append(unit)
        return
    took_ms = (exchange.received_ns - exchange.sent_ns) / 1e6
    known.found[unit] = Found(unit, round(took_ms, 1), exchange.data or bytes([exchange.exception]))


def one_for_all(known: Sweep, asked: Sequence[int]) -> bool:
    """Whether every number asked gave the same reply: then it is one device that heeds no unit number."""
    return len(known.found) == len(asked) >= _MANY and len({found.reply for found in known.found.values()}) == 1


async def identify(asks: Asks, found: Found, profiles: Sequence[Profile]) -> None:
    """Ask a unit for its identification and hold the profiles against it; raise LineDown."""
    try:
        found.identification = await asks.identification(found.unit)
    except LineDown:
        raise
    except LineError:
        found.identification = {}
    answers: dict[Block, Exchange | LineError] = {}
    for profile in profiles:
        await _ask_for(asks, found.unit, profile, answers)
    # Judged when all is asked: what a unit refuses of one profile says something of the others.
    found.guesses = [judge(profile, questions(profile), answers, found.identification) for profile in profiles]
    found.guesses.sort(key=lambda guess: (not guess.fits, -guess.bits))


async def _ask_for(asks: Asks, unit: int, profile: Profile, answers: dict[Block, Exchange | LineError]) -> None:
    own = constant(profile)
    refusals = 0
    for block in [*([own] if own else []), *(item.block for item in questions(profile))]:
        if block not in answers:
            answers[block] = await _answer(asks, unit, block)
        refusals += isinstance(answers[block], LineError) and block != own
        if refusals > 1:
            return


async def _answer(asks: Asks, unit: int, block: Block) -> Exchange | LineError:
    for last in (False, True):
        try:
            return await asks.read(unit, block)
        except LineDown:
            raise
        except Refused as refusal:
            return refusal
        except LineError as error:
            if last:
                return error
            await asyncio.sleep(0)
    raise AssertionError
