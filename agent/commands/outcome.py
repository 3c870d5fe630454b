"""How a command ends, and how it prints."""

import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import orjson

from drivers.document import Problem

if TYPE_CHECKING:
    from rich.console import Console


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
    """Print every problem of a file, and how many there are."""
    for problem in problems:
        say(str(problem))
    count = len(problems)
    say(f"{count} problem{'' if count == 1 else 's'} found")


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    sys.stdout.write(orjson.dumps(value, option=options).decode())


def print_text(text: str) -> None:
    """Print lines on standard output as they are."""
    sys.stdout.write(f"{text}\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under headings; columns whose cells are all numbers stand right-aligned."""
    from rich.table import Table  # noqa: PLC0415 -- `run` prints no tables, and rich would stay in its memory

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell_text(cell) for cell in row))
    console().print(table)


def console() -> "Console":
    """Return the console for standard output; a pipe gets wide plain lines, not a guess at a terminal's width."""
    from rich.console import Console  # noqa: PLC0415 -- as above

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)


def cell_text(cell: Any) -> str:
    """Return a cell as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.6g}" if abs(cell) < 1e6 else f"{cell:,.1f}"  # noqa: PLR2004 -- six digits, then thousands
    return str(cell)
