"""How commands show figures: tables and paragraphs for a terminal of 80 columns, or unfolded for a pipe.

Names and numbers are never broken: only the last column of a table may fold, and only between words. Where that is
not enough the columns move together, and at last the lines run over, which a terminal folds by itself.
"""

import math
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

_GAP, _NARROW_GAP = "  ", " "
_INDENT = "  "
_DIGITS = 6


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Collection[str] = ()) -> None:
    """Print rows under headings; columns of numbers stand right-aligned, and those whose headings are in `right`."""
    if title:
        print_text(title)
    heading, *lines = layout(columns, rows, right=right, width=room())
    bold = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    _write([f"\x1b[1m{heading}\x1b[0m" if bold else heading, *lines])


def print_text(text: str, indent: str = "") -> None:
    """Print lines, folded between words; what does not fit into one goes on further right."""
    _write((indent + part).rstrip() for line in text.split("\n") for part in folded(line, room() - len(indent)))


def room() -> float:
    """Return how many columns of characters a line may take: infinitely many where no terminal folds it."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf


def layout(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Collection[str] = (), width: float = math.inf
) -> list[str]:
    """Return the lines of a table, headings first, at most `width` wide where its words allow that."""
    cells = [[cell_text(cell) for cell in row] for row in rows]
    aligned = [
        column in right or _numeric([row[index] for row in rows], [row[index] for row in cells])
        for index, column in enumerate(columns)
    ]
    widths = [max(map(_width, texts)) for texts in zip(columns, *cells, strict=True)]
    # What the table cannot do without is compared with the room there is.
    least = widths[-1] if aligned[-1] else max(_longest_word(row[-1]) for row in (columns, *cells))
    before, gaps = sum(widths[:-1]), len(widths) - 1
    gap = _GAP if before + gaps * len(_GAP) + least <= width else _NARROW_GAP
    if not aligned[-1]:
        widths[-1] = int(max(least, min(widths[-1], width - before - gaps * len(gap))))
    return [line for row in (columns, *cells) for line in _row(row, widths, aligned, gap)]


def _row(row: Sequence[str], widths: Sequence[int], aligned: Sequence[bool], gap: str) -> list[str]:
    """Return the lines of one row: one, and what its last cell folds into."""
    pads = [" " * (width - _width(text)) for text, width in zip(row[:-1], widths[:-1], strict=True)]
    cells = [pad + text if right else text + pad for text, pad, right in zip(row[:-1], pads, aligned[:-1], strict=True)]
    start = gap.join([*cells, ""])
    if aligned[-1]:
        return [(start + " " * (widths[-1] - _width(row[-1])) + row[-1]).rstrip()]
    first, *rest = folded(row[-1], widths[-1], hanging="")
    return [(start + first).rstrip(), *(" " * _width(start) + text for text in rest)]


def folded(text: str, width: float, hanging: str = _INDENT) -> list[str]:
    """Return a text in lines of at most `width`, broken between words only; all but the first begin with `hanging`."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if _width(longer) > width and lines[-1].strip():
            lines.append(hanging + word)
        else:
            lines[-1] = longer
    return lines


def cell_text(cell: Any) -> str:
    """Return a cell as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.6g}" if abs(cell) < 1e6 else f"{cell:,.1f}"  # noqa: PLR2004 -- six digits, then thousands
    return str(cell)


def fixed(values: Iterable[float | None], decimals: int = 3) -> list[str]:
    """Return figures of one column with the same decimals, fewer where they are large; nothing where there is none."""
    figures = list(values)
    largest = max((abs(value) for value in figures if value is not None), default=0.0)
    whole = len(f"{largest:.0f}")
    shown = max(0, min(decimals, _DIGITS - whole))
    return ["" if value is None else f"{value:z,.{shown}f}" for value in figures]


def _numeric(values: Sequence[Any], texts: Sequence[str]) -> bool:
    numbers = [isinstance(value, int | float) for value, text in zip(values, texts, strict=True) if text]
    return bool(numbers) and all(numbers)


def _longest_word(text: str) -> int:
    return max(_width(word) for word in text.split(" "))


def _width(text: str) -> int:
    from rich.cells import cell_len  # noqa: PLC0415 -- `run` prints no tables, and rich would stay in its memory

    return cell_len(text)


def _write(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
