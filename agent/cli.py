"""The command `energy-agent`: reads its arguments, and says every user's mistake in one clear line."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from agent.commands.outcome import CommandError, Exit, say, say_problems

SCHEMAS = ("config", "telemetry", "window", "interval", "meta", "state", "alarm", "status", "health", "gap", "asyncapi")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {message}: see '{self.prog} --help'")
        raise SystemExit(Exit.USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="energy-agent", description="Energy and CO2 accounts of a plant, read over Modbus.")
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, text: str, *, config: bool = False, json: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        if config:
            added.add_argument("config", type=Path, metavar="CONFIG", help="the site configuration (TOML)")
        if json:
            added.add_argument("--json", action="store_true", help="print JSON")
        return added

    command("run", "run the agent in the foreground", config=True, json=False)
    command("check", "validate a configuration and plan its reads, without touching the network", config=True)
    read = command("read", "poll now and show every register", config=True)
    read.add_argument("device", nargs="?", metavar="DEVICE", help="only this device")
    devices = command("devices", "list the device profiles, or show one")
    devices.add_argument("name", nargs="?", metavar="NAME")
    factors = command("factors", "list the factor sets, or show one with values and sources")
    factors.add_argument("name", nargs="?", metavar="NAME")
    command("status", "show the running agent", config=True)
    intervals = command("intervals", "print closed intervals from the store", config=True, json=False)
    intervals.add_argument(
        "--from", dest="start", required=True, metavar="T", help="first start, such as 2026-11-20T08:00"
    )
    intervals.add_argument("--to", dest="end", required=True, metavar="T", help="starts before this time")
    intervals.add_argument("--account", metavar="NAME", help="only this account")
    intervals.add_argument("--format", choices=("table", "csv", "json"), default="table")
    intervals.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")
    schema = command("schema", "print a JSON Schema, or the AsyncAPI document", json=False)
    schema.add_argument(
        "name", nargs="?", choices=SCHEMAS, default="config", metavar="NAME", help=f"one of: {', '.join(SCHEMAS)}"
    )
    demo = command("demo", "run a simulated plant, a broker and the agent, and show them live", json=False)
    demo.add_argument("--for", dest="seconds", type=float, metavar="S", help="end by itself after S seconds")
    demo.add_argument("--no-ui", action="store_true", help="without the browser page")
    return parser


def _dispatch(arguments: argparse.Namespace) -> Exit:
    """Call one command; its module is imported only now, so that `--help` costs nothing."""
    match arguments.command:
        case "run":
            from agent.commands.run import run

            return run(arguments.config)
        case "check":
            from agent.commands.check import check

            return check(arguments.config, as_json=arguments.json)
        case "read":
            from agent.commands.read import read

            return read(arguments.config, arguments.device, as_json=arguments.json)
        case "devices":
            from agent.commands.catalogue import devices

            return devices(arguments.name, as_json=arguments.json)
        case "factors":
            from agent.commands.factors import factors

            return factors(arguments.name, as_json=arguments.json)
        case "status":
            from agent.commands.status import status

            return status(arguments.config, as_json=arguments.json)
        case "intervals":
            from agent.commands.intervals import intervals

            return intervals(
                arguments.config,
                start=arguments.start,
                end=arguments.end,
                account=arguments.account,
                form=arguments.format,
            )
        case "schema":
            from agent.commands.schema import schema

            return schema(arguments.name)
        case _:
            from agent.demo import demo

            return demo(seconds=arguments.seconds, page=not arguments.no_ui)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        from agent import __version__

        say(f"energy-agent {__version__}")
        return Exit.DONE
    if arguments.command is None:
        parser.print_help()
        return Exit.USAGE
    from agent.config import ConfigError

    try:
        return _dispatch(arguments)
    except ConfigError as error:
        say_problems(error.problems)
        return Exit.USAGE
    except CommandError as error:
        say(str(error))
        return error.code
    except KeyboardInterrupt:
        return Exit.DONE
    except BrokenPipeError:
        # The reader of our output has gone; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception:
        logging.getLogger("agent").exception("internal error: please report it with the lines above")
        return Exit.INTERNAL
