"""The commands that correct the accounts and check them: what they take, and what they call."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agent.commands.arguments import add_said, not_empty
from agent.commands.outcome import Exit

Arguments = argparse.Namespace
REPLAY = (
    """\
Make the intervals of captures again, from their raw exchanges, and compare
them bit for bit with those that were recorded then. With another configuration
or other factors, show what would have been. Writes nothing but --out.""",
    """\
examples:
  energy-agent replay capture --config site.toml --out replayed
  energy-agent replay capture --config site.toml --factors new.toml --out what-if

exit code: 0 all came out the same; 1 an interval did not, or none could be
made again; 2 it could not be tried""",
)
"""What the command does, in full, and what stands behind its options; so with the others."""
BUNDLE = (
    """\
Write the evidence of a period into one archive for an auditor: records,
captures, configuration, factors, seals and public key, with a page to begin
with. The agent may run meanwhile. Run this as the agent's user.""",
    """\
example:
  energy-agent bundle site.toml --from 2026-10-01 --to 2026-11-01 --out works-10.tar

exit code: 0 it is written; 2 it is not""",
)
VERIFY = (
    """\
Check what a gateway has recorded, or a bundle of it: hashes, links, signatures,
seals, time stamps, documents and captures, and recompute every interval. Says
what holds, what was not checked and why, and names the first record, file or
byte that is wrong. Writes nothing; the agent may run meanwhile.""",
    """\
With nothing from elsewhere it can only tell that all of it holds together:
somebody could have made it anew as a whole. So give --key or --seals, or both.

examples:
  energy-agent verify works-10.tar --key ed25519:kbQpuYk9S7FNLHOuZ9ApjQ9ULCHbM9FN6AgyBqVY9aI=
  energy-agent verify site.toml --seals seals.jsonl

exit code: 0 all that was checked holds; 1 something does not; 2 it could not
be checked""",
)


class Added(Protocol):
    """Adds a command that is called with its arguments."""

    def __call__(
        self, name: str, call: Callable[[Arguments], Exit], text: str, *, config: bool = False, json: bool = True
    ) -> argparse.ArgumentParser:
        """Return its parser."""
        ...


def add_bookkeeping(command: Added) -> None:
    """Add all of them."""
    _add_replace(
        command("replace-meter", _replace_meter, "declare a replaced meter or an initial reading", config=True)
    )
    _add_revise(command("revise", _revise, "weigh closed intervals by the factors now in force", config=True))
    replay = command("replay", _replay, "make the intervals of a capture again, and compare them")
    bundle = command("bundle", _bundle, "write the evidence of a period into one archive", config=True)
    text = "check records or a bundle: chain, seals, what they rest on, and recompute them"
    verify = command("verify", _verify, text)
    for parser, told in ((replay, REPLAY), (bundle, BUNDLE), (verify, VERIFY)):
        parser.description, parser.epilog = told
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_replay(replay)
    _add_bundle(bundle)
    _add_verify(verify)


def _replace_meter(given: Arguments) -> Exit:
    from agent.commands.correct import Replaced, replace_meter

    named = {name: getattr(given, name) for name in Replaced.__dataclass_fields__}
    return replace_meter(given.config, Replaced(**named), as_json=given.json)


def _revise(given: Arguments) -> Exit:
    from agent.commands.correct import Period, revise

    named = {name: getattr(given, name) for name in Period.__dataclass_fields__}
    return revise(given.config, Period(**named), sure=given.yes, as_json=given.json)


def _replay(given: Arguments) -> Exit:
    from agent.commands.replay import Asked, replay

    return replay(Asked(**{name: getattr(given, name) for name in Asked.__dataclass_fields__}))


def _bundle(given: Arguments) -> Exit:
    from agent.commands.bundle import Asked, bundle

    return bundle(given.config, Asked(given.start, given.end, given.out, given.moved), as_json=given.json)


def _verify(given: Arguments) -> Exit:
    from agent.commands.verify import Asked, verify

    return verify(Asked(given.path, given.keys, given.seals, given.authorities, given.moved, given.json))


def _add_replace(command: argparse.ArgumentParser) -> None:
    """Add what `replace-meter` takes."""
    command.add_argument("account", metavar="ACCOUNT", help="account of the counter, such as main-meter/electricity")
    command.add_argument("--at", required=True, metavar="T", help="when, such as 2026-11-20T08:00, in the site's zone")
    command.add_argument("--last", type=_shown, metavar="X", help="what the old meter showed; none for an initial one")
    command.add_argument("--first", type=_shown, required=True, metavar="Y", help="what the new meter began with")
    text = "take back what was declared so: --at, --last and --first as they were given, --reason says why"
    command.add_argument("--withdraw", action="store_true", help=text)
    add_said(command)


def _add_revise(command: argparse.ArgumentParser) -> None:
    """Add what `revise` takes."""
    moment = "such as 2026-11-20T08:00, in the site's time zone"
    command.add_argument("--from", dest="start", required=True, metavar="T", help=f"first start, {moment}")
    command.add_argument("--to", dest="end", required=True, metavar="T", help="end; not included")
    command.add_argument("--account", type=not_empty, metavar="A", help="only this account")
    command.add_argument(
        "--yes", action="count", default=0, help="answer one question with yes; give it twice for both"
    )
    add_said(command)


def _add_replay(command: argparse.ArgumentParser) -> None:
    """Add what `replay` takes."""
    command.add_argument("captures", nargs="+", type=Path, metavar="CAPTURE", help="capture files, or their folder")
    again = "give each, where it changed while the capture was made; another one shows what would have been"
    command.add_argument(
        "--config", dest="configs", action="append", required=True, type=Path, metavar="CONFIG",
        help=f"the site configuration; {again}",
    )  # fmt: skip
    command.add_argument(
        "--factors", action="append", default=[], type=Path, metavar="FILE",
        help="a factor set in place of the one of its name, to see what would have been; may be given again",
    )  # fmt: skip
    command.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for intervals.jsonl and summary.json"
    )


def _add_bundle(command: argparse.ArgumentParser) -> None:
    """Add what `bundle` takes."""
    moment = "such as 2026-11-20T08:00, in the site's time zone"
    command.add_argument("--from", dest="start", required=True, metavar="T", help=f"start of the period, {moment}")
    command.add_argument("--to", dest="end", required=True, metavar="T", help="its end; not included")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the archive; must not exist yet")
    _add_moved(command)


def _add_verify(command: argparse.ArgumentParser) -> None:
    """Add what `verify` takes."""
    command.add_argument("path", type=Path, metavar="CONFIG|BUNDLE", help="the site configuration, or an archive")
    text = "the public key as you know it from elsewhere: ed25519:… or a file; may be given more than once"
    command.add_argument("--key", dest="keys", action="append", default=[], metavar="KEY", help=text)
    text = "the seals as the centre received and saved them: one message on each line, with its topic or without"
    command.add_argument("--seals", type=Path, metavar="FILE", help=text)
    text = "the root certificate (PEM) of the time stamping authority you trust; may be given more than once"
    command.add_argument(
        "--authority", dest="authorities", action="append", default=[], type=Path, metavar="FILE", help=text
    )
    _add_moved(command)


def _add_moved(command: argparse.ArgumentParser) -> None:
    text = "a folder that captures were moved to by hand; may be given more than once"
    command.add_argument(
        "--captures", dest="moved", action="append", default=[], type=_folder, metavar="DIR", help=text
    )


def _folder(text: str) -> Path:
    if not (path := Path(text)).is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is no folder: name the one that captures were moved to")
    return path


def _shown(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no reading: write what the meter shows, such as 1234.5")
    return number
