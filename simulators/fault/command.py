"""The command `energy-simulators fault`: its arguments, and serving one misbehaving line until it is ended."""

import argparse
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from drivers.document import nearest
from simulators.description import LineEntry
from simulators.fault import values
from simulators.fault.bus import misbehaving_line
from simulators.fault.device import Answer, Misbehaving
from simulators.fault.faults import FAULTS

_ALL = "all"
_MIX_CHANCE = 0.02
_LAST_UNIT = 247
_BAUD = 9600
_NARROWEST = 110

Write = Callable[[bytes], None]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what this command takes; where it is served and what all commands take is the caller's."""
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.description = f"Serve one line that misbehaves.\n\n{values.__doc__}"
    command.add_argument("--list", action="store_true", help="explain each fault in one line and end")
    command.add_argument(
        "scenario",
        nargs="*",
        metavar="SCENARIO",
        type=_chances,
        help=f"a fault as NAME or NAME=P, which strikes the share P of the replies (default {_MIX_CHANCE:g}); "
        "or 'all' of them, whose shares later words change",
    )
    command.add_argument(
        "--timeout", metavar="S", type=_seconds, default=1.0, help="time-out of the reader (default 1)"
    )
    command.add_argument("--units", metavar="1-10,17", type=_units, default=_units("1-10"), help="default 1-10")
    command.add_argument("--baud", type=_baud, help="carry bytes on --serial no faster than so (default: unpaced)")


def _chances(text: str) -> dict[str, float]:
    """Return the share of each fault a word names."""
    name, given, share = text.partition("=")
    names = [*FAULTS] if name == _ALL else [name]
    if names[0] not in FAULTS:
        remedy = nearest(name, [_ALL, *FAULTS]) or "--list names them all"
        raise argparse.ArgumentTypeError(f"there is no fault '{name}': {remedy}")
    with contextlib.suppress(ValueError):
        chance = float(share) if given else _MIX_CHANCE
        if 0.0 <= chance <= 1.0:
            return dict.fromkeys(names, chance)
    raise argparse.ArgumentTypeError(f"'{text}' gives no share from 0 to 1: write {name}=0.05")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0.0 < float(text) <= 60.0:  # noqa: PLR2004 - no reader waits longer
            return float(text)
    raise argparse.ArgumentTypeError(f"'{text}' is no time-out in seconds, above 0 and up to 60")


def _baud(text: str) -> int:
    with contextlib.suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is no baud rate")


def _units(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        with contextlib.suppress(ValueError):
            if 1 <= int(first) <= int(last if dash else first) <= _LAST_UNIT:
                found.update(range(int(first), int(last if dash else first) + 1))
                continue
        raise argparse.ArgumentTypeError(f"'{part}' names no units from 1 to {_LAST_UNIT}: write such as 1-10,17")
    return tuple(sorted(found))


def explain() -> None:
    """Print each fault with what it does and where it exists."""
    table = Table(box=None, pad_edge=False)
    for column in ("fault", "on", "what happens"):
        table.add_column(column)
    for fault in FAULTS.values():
        table.add_row(fault.name, " ".join(["tcp"] * fault.tcp + ["rtu"] * fault.rtu), fault.what)
    _console().print(table)


@contextlib.asynccontextmanager
async def serving(arguments: argparse.Namespace, write: Write | None) -> AsyncIterator[None]:
    """Serve the line and say where; each answer is written as a line of JSON; raise NotServed."""
    chances = {name: chance for word in arguments.scenario for name, chance in word.items()}
    units = Misbehaving(arguments.units, chances, timeout_s=arguments.timeout, seed=arguments.seed)
    if arguments.serial is not None:
        line = LineEntry(name="line", kind="serial", path=arguments.serial, baud=arguments.baud or _BAUD)
    else:
        line = LineEntry(name="line", kind="rtu+tcp" if arguments.rtu else "tcp", port=arguments.port)

    def on_answer(answer: Answer) -> None:
        assert write is not None  # noqa: S101 - only passed on where there is a log
        write(answer.to_json(line.name, time.time_ns()))

    pacing = arguments.baud is not None
    async with misbehaving_line(line, units, on_answer if write else None, pacing=pacing) as url:
        body = {
            "url": url,
            "units": arguments.units,
            "seed": arguments.seed,
            "timeout_s": arguments.timeout,
            "faults": {name: chance for name, chance in chances.items() if chance > 0.0},
        }
        if arguments.json:
            _print_json(body)
        else:
            _print(body, f"for {arguments.seconds:g} s" if arguments.seconds else "until Ctrl-C")
        yield


def _print_json(body: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(body).decode() + "\n")
    sys.stdout.flush()


def _print(body: dict[str, Any], ending: str) -> None:
    faults = ", ".join(f"{name} {chance:.3g}" for name, chance in body["faults"].items())
    units = ", ".join(map(str, body["units"]))
    console = _console()
    console.print(f"{body['url']}  seed {body['seed']}, time-out {body['timeout_s']:g} s", soft_wrap=True)
    console.print(f"units {units}", soft_wrap=True)
    console.print(f"faults: {faults or 'none: name some, or all'}", soft_wrap=True)
    console.print(f"serving {ending}")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=max(_NARROWEST, console.width))
