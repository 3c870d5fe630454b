"""How a command ends, and what it says when it cannot do its work."""

import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import orjson

from agent.counted import counted
from drivers.document import Problem


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERNAL = 4


class CommandError(Exception):
    """Raised when a command cannot do its work; its text is one line for the person who called it."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Print one line on standard error."""
    print(message, file=sys.stderr)  # noqa: T201 -- this is how commands speak


def say_problems(problems: Sequence[Problem]) -> None:
    """Print every problem of a file, and how many there are in it."""
    for problem in problems:
        say(str(problem))
    if any(problem.line for problem in problems):
        say(f"{counted(len(problems), 'problem', 'problems')} found")


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    sys.stdout.write(orjson.dumps(value, option=options).decode())
