"""What the command line takes: every command with its arguments, and what it calls."""

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from agent import __version__
from agent.commands.arguments import (
    Periods,
    add_balance,
    add_decode,
    add_intensity,
    add_intervals,
    add_output,
    add_read,
    add_scan,
)
from agent.commands.bookkeeping import add_bookkeeping
from agent.commands.outcome import Exit, say

SCHEMAS = (
    "config",
    "telemetry",
    "window",
    "figure",
    "interval",
    "rollup",
    "meta",
    "state",
    "alarm",
    "status",
    "health",
    "gap",
    "event",
    "evidence",
    "seal",
    "asyncapi",
)

_NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|-inf(inity)?|-nan", re.IGNORECASE)


class _Parser(argparse.ArgumentParser):
    def _parse_optional(self, arg_string: str) -> Any:
        # argparse knows -9000, and takes -9e3 for an option.
        return None if _NEGATIVE.fullmatch(arg_string) else super()._parse_optional(arg_string)

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {message}: see '{self.prog} --help'")
        raise SystemExit(Exit.USAGE)

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse passes over a disk that fails: help that nobody can read is no success.
        (file or sys.stderr).write(message)


Arguments = argparse.Namespace


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds above 0")
    return number


def _run(given: Arguments) -> Exit:
    from agent.commands.start import start

    return start(given.config)


def _check(given: Arguments) -> Exit:
    from agent.commands.check import check

    return check(given.config, as_json=given.json)


def _read(given: Arguments) -> Exit:
    from agent.commands.read import Asked, read

    named = {name: value for name, value in vars(given).items() if name in Asked.__dataclass_fields__}
    return read(Asked(**named, as_json=given.json))


def _scan(given: Arguments) -> Exit:
    from agent.commands.scan import Asked, scan

    settings = given.settings is not None
    return scan(Asked(url=given.url, units=given.units, settings=settings, timeout=given.timeout, as_json=given.json))


def _decode(given: Arguments) -> Exit:
    from agent.commands.decode import Asked, decode

    named = {name: value for name, value in vars(given).items() if name in Asked.__dataclass_fields__}
    return decode(Asked(**named, as_json=given.json))


def _devices(given: Arguments) -> Exit:
    from agent.commands.catalogue import devices

    return devices(given.name, as_json=given.json)


def _factors(given: Arguments) -> Exit:
    from agent.commands.factors import factors

    name = " ".join(given.name) or None  # most names have a space, and few people quote them
    return factors(name, compare=given.compare, config=given.config, as_json=given.json)


def _status(given: Arguments) -> Exit:
    from agent.commands.status import status

    return status(given.config, as_json=given.json)


def _intervals(given: Arguments) -> Exit:
    from agent.commands.intervals import intervals

    return intervals(
        given.config, start=given.start, end=given.end, account=given.account, form=given.format, every=given.every
    )


def _balance(given: Arguments) -> Exit:
    from agent.commands.balance import balance

    return balance(given.config, Periods.of(given))


def _intensity(given: Arguments) -> Exit:
    from agent.commands.intensity import intensity

    return intensity(given.config, Periods.of(given))


def _output(given: Arguments) -> Exit:
    from agent.commands.output import Made, output

    named = {name: getattr(given, name) for name in Made.__dataclass_fields__}
    return output(given.config, Made(**named), as_json=given.json)


def _store(given: Arguments) -> Exit:
    from agent.commands.store import store

    return store(
        given.config,
        listing=given.dead_letters,
        sink=given.sink,
        export=given.export,
        discard=given.discard,
        sure=given.yes,
        as_json=given.json,
    )


def _schema(given: Arguments) -> Exit:
    from agent.commands.schema import schema

    return schema(given.name)


def _demo(given: Arguments) -> Exit:
    from agent.demo import demo

    return demo(seconds=given.seconds, page=not given.no_ui)


def parsed(arguments: Sequence[str]) -> Arguments:
    """Return what arguments say; end the program where they ask for help or are wrong."""
    if len(arguments) == 2 and arguments[0] == "run" and not arguments[1].startswith("-"):  # noqa: PLR2004 -- and a file
        # The usual way to run the agent waits for no parser of all commands, which takes 10 ms to make.
        return Arguments(command="run", call=_run, config=Path(arguments[1]))
    return parser().parse_args(arguments)


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments of all commands; each sets as `call` what runs it."""
    whole = _Parser(prog="energy-agent", description="Energy and CO2 accounts of a plant, read over Modbus.")
    whole.add_argument("--version", action="version", version=f"energy-agent {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser, required=True)

    def command(
        name: str, call: Callable[[Arguments], Exit], text: str, *, config: bool = False, json: bool = True
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(call=call)
        if config:
            added.add_argument("config", type=Path, metavar="CONFIG", help="the site configuration (TOML)")
        if json:
            added.add_argument("--json", action="store_true", help="print JSON")
        return added

    command("run", _run, "run the agent in the foreground", config=True, json=False)
    command("check", _check, "validate a configuration and plan its reads, without touching the network", config=True)
    add_read(command("read", _read, "poll now and show every register"))
    add_scan(command("scan", _scan, "find the units on a line, what they say they are and which profiles fit"))
    add_decode(command("decode", _decode, "show what registers may mean, the most plausible type and order first"))
    devices = command("devices", _devices, "list the device profiles, or show one")
    devices.add_argument("name", nargs="?", metavar="NAME")
    factors = command("factors", _factors, "list the factor sets, or show one with values and sources")
    factors.add_argument("name", nargs="*", metavar="NAME")
    factors.add_argument("--compare", nargs=2, metavar=("A", "B"), help="how much more set B says than set A, in %%")
    factors.add_argument("--config", type=Path, metavar="CONFIG", help="with the plant's own factor sets")
    command("status", _status, "show the running agent; the exit code is 1 while an alarm is active", config=True)
    text = "print closed intervals from the store"
    add_intervals(command("intervals", _intervals, text, config=True, json=False))
    add_bookkeeping(command)
    text = "print what came in at each level of the plant, and the rest that nobody metered"
    add_balance(command("balance", _balance, text, config=True, json=False))
    add_intensity(command("intensity", _intensity, "print what one unit of output took", config=True, json=False))
    add_output(command("output", _output, "enter what was made in a period", config=True))
    store = command("store", _store, "show what waits in the store, and what receivers refused", config=True)
    store.add_argument("--dead-letters", action="store_true", help="list the records that receivers refused for good")
    store.add_argument("--sink", metavar="NAME", help="only the dead letters of this receiver")
    store.add_argument("--export", type=Path, metavar="FILE", help="write the dead letters to FILE, as JSON lines")
    store.add_argument("--discard", action="store_true", help="delete the dead letters, after asking twice")
    store.add_argument("--yes", action="count", default=0, help="answer one question with yes; give it twice for both")
    schema = command("schema", _schema, "print a JSON Schema, or the AsyncAPI document; always as JSON")
    names = ", ".join(SCHEMAS)
    schema.add_argument("name", nargs="?", choices=SCHEMAS, default="config", metavar="NAME", help=f"one of: {names}")
    demo = command("demo", _demo, "run a simulated plant, a broker and the agent, and show them live", json=False)
    demo.add_argument("--for", dest="seconds", type=_positive, metavar="S", help="end by itself after S seconds")
    demo.add_argument("--no-ui", action="store_true", help="without the browser page; there is none yet")
    return whole
