"""Reads lines on which every fault strikes and checks each accepted value; a process of its own.

    python -m tests.torture.fault_reads SEED READS LINES

Prints one JSON object: by transport what was asked, accepted and lost, and every wrong value that was accepted.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal

import orjson

from drivers.endpoint import parse_endpoint
from drivers.errors import LineError
from drivers.reading import Block
from simulators.description import LineEntry
from simulators.fault.bus import misbehaving_line
from simulators.fault.device import Answer, Misbehaving
from simulators.fault.faults import FAULTS
from simulators.fault.values import doubt
from tests.begun import BegunAtTimes

KINDS: tuple[Literal["tcp", "rtu+tcp", "serial"], ...] = ("tcp", "rtu+tcp", "serial")
UNHARMED = "none of its own"
_CHANCE = 0.02
_TIMEOUT_S = 0.1
"""So long that a busy machine delays no late reply beyond twice of it."""
_UNITS = range(1, 11)
_BAUD = 921_600
_SAME_BLOCK, _SAME_SHAPE = 0.3, 0.7


@dataclass(slots=True)
class Tally:
    """What came of the reads of one kind of line."""

    reads: int = 0
    accepted: int = 0
    right_in_time: int = 0
    """Replies that were sent whole and unharmed within the time-out."""
    lost: int = 0
    """Of these, those the line did not accept."""
    unasked: int = 0
    """Reads that ended before a request went out."""
    waited_s: float = 0.0
    """Time the line stayed silent or connected anew before it asked."""
    taken_s: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    lost_by: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def check(self, answers: list[Answer], error: LineError | None) -> None:
        """Count a read: what was sent for it, and the error it ended with."""
        self.reads += 1
        answer = answers[-1] if answers else None
        if answer:
            self.struck.update(answer.faults)
        if answer and answer.right_after_s is not None and answer.right_after_s < _TIMEOUT_S:
            self.right_in_time += 1
            if error:
                self.lost += 1
                self.lost_by["+".join(answer.faults) or UNHARMED] += 1
        if error:
            self.errors[type(error).__name__] += 1
            self.unasked += error.exchange is None


def _request(rng: random.Random, last: tuple[int, Block]) -> tuple[int, Block]:
    """Draw what to read: mostly the last unit again with the same shape, so that an older reply would fit."""
    unit, block = last
    again = rng.random()
    if again < _SAME_BLOCK:
        return last
    if again < _SAME_SHAPE and block.function in (3, 4):
        return unit, replace(block, address=rng.randrange(0x10000 - block.count))
    unit, function = rng.choice(_UNITS), rng.choice((1, 2, 3, 3, 3, 4, 4, 4))
    if function in (3, 4):
        count = rng.choices((4, 8, 10, 20, 40, 125), (8, 4, 4, 2, 1, 1))[0]
        return unit, Block(function, rng.randrange(0x10000 - count), count)
    if rng.random() < 0.5:
        # The echo of such a request has the form of its reply: three data bytes, the first the low address byte.
        return unit, Block(function, 0x300 + 16 * rng.randrange(16), rng.randint(17, 24))
    return unit, Block(function, 16 * rng.randrange(4000), rng.choice((64, 65, 96, 160, 500)))


def _told(answers: list[Answer]) -> str:
    """Say which faults struck the answer to a read, as far as the simulator has come."""
    if not answers:
        return "not yet heard by the simulator"
    return f"struck by {'+'.join(answers[-1].faults) or UNHARMED}"


async def _read(kind: Literal["tcp", "rtu+tcp", "serial"], seed: int, reads: int, tally: Tally) -> None:
    rng = random.Random(seed)  # noqa: S311 - reads are to be repeatable, not secret
    answers: list[Answer] = []
    units = Misbehaving(_UNITS, dict.fromkeys(FAULTS, _CHANCE), timeout_s=_TIMEOUT_S, seed=seed)
    async with misbehaving_line(LineEntry(name="line", kind=kind, baud=_BAUD), units, answers.append) as url:
        line = BegunAtTimes(f"{kind}-{seed}", parse_endpoint(url), timeout_s=_TIMEOUT_S, pause_s=0.0)
        began = time.monotonic()
        last = (_UNITS[0], Block(3, 0, 4))
        before = ""
        for _ in range(reads):
            unit, block = last = _request(rng, last)
            answers.clear()
            called_ns = time.monotonic_ns()
            error = None
            try:
                exchange = await line.read(unit, block)
            except LineError as caught:
                error = caught
            else:
                tally.accepted += 1
                if problem := doubt(unit, block, exchange.data, exchange.sent_ns, exchange.received_ns):
                    late_ms = (exchange.received_ns - exchange.sent_ns) / 1e6
                    tally.wrong.append(
                        f"{line.name}, read {tally.reads}, after {late_ms:.1f} ms: {problem}; "
                        f"{_told(answers)}; the read before: {before}"
                    )
            done = exchange if error is None else error.exchange
            if done:
                tally.waited_s += (done.sent_ns - called_ns) / 1e9
            tally.check(answers, error)
            before = f"{error or 'accepted'}, {_told(answers)}"
        tally.taken_s += time.monotonic() - began
        await line.close()


async def _main(seed: int, reads: int, lines: int) -> None:
    """Share the reads among the lines, a third of them of each kind."""
    tallies = {kind: Tally() for kind in KINDS}
    async with asyncio.TaskGroup() as group:
        for number in range(lines):
            kind = KINDS[number % len(KINDS)]
            share = reads // lines + (number < reads % lines)
            group.create_task(_read(kind, 1000 * seed + number, share, tallies[kind]))
    sys.stdout.buffer.write(orjson.dumps(tallies, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:4])))
