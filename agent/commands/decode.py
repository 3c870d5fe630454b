"""`energy-agent decode`: registers in every type and order, ranked by plausibility, with the keys of a profile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from agent.commands import decoded
from agent.commands.bench import check_unit, endpoint_of, open_line, told
from agent.commands.new_profile import add_points
from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.progress import Progress
from agent.commissioning.candidates import candidates
from agent.commissioning.given import named, registers, shown_value
from agent.commissioning.layout import Match, Shown, agree, layouts, matches
from agent.commissioning.survey import Registers, fetch, survey
from agent.commissioning.verdicts import Verdict, verdicts
from drivers.entry import MAX_REGISTERS
from drivers.errors import LineError, NoReply, Refused
from drivers.line import Line
from drivers.reading import Block
from drivers.value import frozen

_TIMEOUT_S = 1.0
_APART_S = 3.0
_FEW = 4
_ADDRESSES = 65536
_FUNCTIONS = (4, 3)


@frozen(kw_only=True)
class Asked:
    """What was typed."""

    inputs: Sequence[str]
    unit: int | None
    function: int | None
    address: int | None
    count: int | None
    expect: str | None
    points: Sequence[str]
    watch: bool
    profile: Path | None
    everything: bool
    as_json: bool

    @property
    def url(self) -> str | None:
        """The line, None when registers were typed instead."""
        return self.inputs[0] if "://" in self.inputs[0] or self.inputs[0].startswith("/") else None


@dataclass(slots=True)
class Sample:
    """Registers of one function, and the same a moment later when two samples were asked for."""

    function: int
    words: dict[int, int]
    later: dict[int, int] | None = None
    largest: int = MAX_REGISTERS
    """Most registers that came in one reply."""
    milliseconds: list[float] = field(default_factory=list)


def decode(asked: Asked) -> Exit:
    """Decode registers that were typed, or read from a device, and print what they may mean."""
    shown = _shown(asked)
    samples = _typed(asked) if asked.url is None else _read(asked, asked.url)
    sample, found = _telling(samples, shown)
    if shown:
        return _matched(asked, sample, shown, found)
    _check_profile_goes(asked)
    if asked.everything or len(sample.words) <= _FEW:
        ranked = sorted(candidates(sample.words, sample.later), key=lambda candidate: -candidate.bits)
        decoded.show_candidates(asked, sample, ranked)
    else:
        decoded.show_layouts(asked, sample, layouts(sample.words, sample.later))
    return Exit.DONE


def _check_profile_goes(asked: Asked) -> None:
    if asked.profile is not None:
        remedy = "add --as NAME=VALUE for what the display shows, such as --as voltage_l1=230.1"
        raise CommandError(f"--profile: no point to write: {remedy}")


def _shown(asked: Asked) -> list[Shown]:
    """Return the values that displays show; raise CommandError."""
    found = []
    try:
        for text in asked.points:
            name, value = named(text)
            value = asked.expect if value is None else value
            if value is None:
                raise CommandError(f"--as {name}: no value: write --as {name}=VALUE with what the display shows")
            found.append(shown_value(value, name))
        if asked.expect is not None and not found:
            found.append(shown_value(asked.expect))
    except ValueError as error:
        raise CommandError(str(error)) from error
    names = [value.name for value in found]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"--as {name}: stands twice: keep one")
    for display in found:
        if display.value == 0:
            raise CommandError(f"{display.name or '--expect'}: a zero is everywhere: give a value that is not zero")
    return found


def _typed(asked: Asked) -> list[Sample]:
    try:
        words = registers(asked.inputs)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if asked.unit is not None or asked.watch:
        raise CommandError("--unit and --watch are for a device: write its URL first, such as rtu:///dev/ttyUSB0")
    start = asked.address or 0
    if start + len(words) > _ADDRESSES:
        raise CommandError(f"--address {start}: {len(words)} registers from there pass 65535: correct it")
    return [Sample(asked.function or 3, {start + at: word for at, word in enumerate(words)})]


def _read(asked: Asked, url: str) -> list[Sample]:
    """Read what was asked for, or look where the device holds registers; raise CommandError."""
    if len(asked.inputs) > 1:
        raise CommandError(f"'{asked.inputs[1]}': registers and a URL do not go together: give one of them")
    if asked.unit is None:
        raise CommandError(f"--unit is missing: which one answers says: energy-agent scan {quote(url)}")
    check_unit(asked.unit, endpoint_of(url))
    address, count = asked.address, asked.count if asked.count is not None else 20
    if address is not None and address + count > _ADDRESSES:
        raise CommandError(f"--count {count}: registers from {address} on pass 65535: give fewer")
    line = open_line(url, timeout_s=_TIMEOUT_S)
    try:
        samples = asyncio.run(_sampled(line, asked.unit, asked, address, count))
    except LineError as error:
        code = Exit.NO if isinstance(error, Refused) else Exit.UNREACHABLE
        raise CommandError(f"unit {asked.unit}: {told(error)}", code) from error
    if not samples:
        where = "anywhere it was asked" if address is None else f"at {address:#06x}"
        raise CommandError(
            f"unit {asked.unit} answers, but holds no registers {where}: try another --function", Exit.NO
        )
    return samples


async def _sampled(line: Line, unit: int, asked: Asked, address: int | None, count: int) -> list[Sample]:
    samples = []
    failure: LineError | None = None
    try:
        functions = (asked.function,) if asked.function else _FUNCTIONS
        for number, function in enumerate(functions, 1):
            try:
                if address is None:
                    found = await _surveyed(line, unit, function, number, len(functions))
                else:
                    found = await fetch(line, unit, Block(function, address, count))
            except LineError as error:
                failure = error
                continue
            failure = failure or found.refusal
            if found.words:
                samples.append(_sample(function, found))
        if asked.watch and samples:
            await asyncio.sleep(_APART_S)
            for sample in samples:
                await _again(line, unit, sample)
    finally:
        await line.close()
    if not samples and failure is not None and not (address is None and isinstance(failure, Refused)):
        raise failure
    return samples


def _sample(function: int, found: Registers) -> Sample:
    took = [(exchange.received_ns - exchange.sent_ns) / 1e6 for exchange in found.exchanges]
    return Sample(function, found.words, None, max(exchange.block.count for exchange in found.exchanges), took)


async def _surveyed(line: Line, unit: int, function: int, number: int, whole: int) -> Registers:
    which = f"function {function}" + (f", {number} of {whole}" if whole > 1 else "")
    with Progress(f"{which}: looking for registers", last=number == whole) as progress:
        found = await survey(line, unit, function, progress.at)
    if not found.words and isinstance(found.refusal, NoReply):
        raise found.refusal
    return found


async def _again(line: Line, unit: int, sample: Sample) -> None:
    """Take the second sample, in requests that the device has answered before."""
    sample.later = {}
    first, last = min(sample.words), max(sample.words)
    for start in range(first, last + 1, sample.largest):
        block = Block(sample.function, start, min(sample.largest, last + 1 - start))
        if any(at in sample.words for at in range(block.address, block.end)):
            sample.later |= (await fetch(line, unit, block)).words


def _telling(samples: Sequence[Sample], shown: Sequence[Shown]) -> tuple[Sample, list[list[Match]]]:
    """Return the sample that explains most of the values, without any the one that holds most."""
    best: tuple[float, Sample, list[list[Match]]] | None = None
    for sample in samples:
        found = [matches(value, sample.words, sample.later) for value in shown]
        worth = sum(options[0].bits for options in found if options)
        worth += 1e-3 * sum(word != 0 for word in sample.words.values())
        if best is None or worth > best[0]:
            best = worth, sample, found
    assert best is not None  # noqa: S101 -- there is at least one sample
    return best[1], best[2]


def _matched(asked: Asked, sample: Sample, shown: Sequence[Shown], found: Sequence[Sequence[Match]]) -> Exit:
    """Print where the shown values stand, and write those that are certain into a profile."""
    weights = {(layout.word_order, layout.byte_order): layout.bits for layout in layouts(sample.words, sample.later)}
    judged = verdicts(agree(found, weights), found)
    missing = [value for value in shown if not any(verdict.match.shown is value for verdict in judged)]
    written = _written(asked, sample, judged) if asked.profile is not None else 0
    if asked.as_json:
        print_json(decoded.matches_json(sample, judged, missing))
    else:
        decoded.show_matches(asked, sample, judged, missing, written)
    return Exit.DONE if judged and not missing and all(verdict.sure for verdict in judged) else Exit.NO


def _written(asked: Asked, sample: Sample, judged: Sequence[Verdict]) -> int:
    """Write the certain points; return how many."""
    assert asked.profile is not None  # noqa: S101 -- asked before
    if any(not verdict.match.shown.name for verdict in judged):
        raise CommandError("--profile: no name for the point: add --as NAME, such as --as voltage_l1")
    sure = [verdict for verdict in judged if verdict.sure]
    add_points(asked.profile, sample.function, sample.words, sure)
    return len(sure)
