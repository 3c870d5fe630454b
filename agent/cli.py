"""The command `energy-agent`: reads its arguments, and says every user's mistake in one clear line."""

import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence

from agent.commands.outcome import CommandError, Exit, say, say_problems
from agent.commands.parser import Arguments, parsed

_NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)
"""What no file can be named by, whatever is done with it."""


def _explained(call: Callable[[Arguments], Exit], given: Arguments) -> Exit:
    """Run a command; turn what a user can do something about into lines on standard error."""
    from agent.carbon.errors import FactorFileError
    from agent.config import ConfigError

    try:
        return call(given)
    except (ConfigError, FactorFileError) as error:
        say_problems(error.problems)
        return Exit.USAGE
    except CommandError as error:
        say(str(error))
        return error.code


def _strange(arguments: Sequence[str]) -> str:
    """Return what is wrong with the first argument that is no text, empty when all are."""
    for each in arguments:
        try:
            each.encode()
        except UnicodeEncodeError:
            return f"{os.fsencode(each)!r} is not UTF-8 text"
    return ""


def _parsed(argv: Sequence[str]) -> Arguments:
    """Return what arguments say; end the program where they ask for help or are wrong."""
    try:
        return parsed(argv)
    except SystemExit:
        if sys.stdout is not None:
            sys.stdout.flush()  # while what fails can still be told
        raise


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if strange := _strange(arguments):
        say(f"energy-agent: {strange}: type it in UTF-8: see 'energy-agent --help'")
        return Exit.USAGE
    try:
        given = _parsed(arguments)
        if sys.stdout is None:  # the caller has closed it
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- open until the end
        elif isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no Chinese is no reason to fail
        code = _explained(given.call, given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return Exit.DONE
    except BrokenPipeError:
        _drop_output()
        return Exit.DONE
    except Exception as error:  # noqa: BLE001 -- a bug, or what no command can help
        return _of_its_own(error)
    return code


def _of_its_own(error: Exception) -> Exit:
    """Say what no command has dealt with, and return how it ends."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _drop_output()
        say("the output cannot be written: no space is left where it goes")
        return Exit.USAGE
    if isinstance(error, OSError) and error.errno in _NO_PATH and error.filename is not None:
        say(f"{os.fsdecode(error.filename)}: {error.strerror}: correct the path")
        return Exit.USAGE
    logging.getLogger("agent").error("internal error: please report it with the lines above", exc_info=error)
    return Exit.INTERNAL


def _drop_output() -> None:
    """Let go what is still buffered: it has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
