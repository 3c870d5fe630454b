"""Values that change while somebody looks: a page on a terminal, lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from agent.commands.outcome import say
from agent.commands.poll import Answer, silent
from agent.commands.table import cell_text, folded, layout, print_text, room

COLUMNS = ("quantity", "registers", "value", "unit", "quality")
_UNIT_OF_NOTHING = ("1", "bool", "text")
_CLEAR, _BOLD, _PLAIN = "\x1b[H\x1b[J", "\x1b[1;7m", "\x1b[0m"

View = Callable[[Sequence[Answer]], None]


def view(*, as_json: bool) -> View:
    """Return what shows one round of polls after the other."""
    if as_json:
        return _as_json
    dumb = not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    return _Changes().show if dumb else _Page().show


def heading(answer: Answer) -> str:
    """Return who was read."""
    return f"{answer['device']}: {answer['profile']}, {answer['url']} unit {answer['unit']}"


def rows(answer: Answer) -> list[tuple[Any, ...]]:
    """Return the points a device is read for; those that only scale others stay out."""
    return [
        (
            point["quantity"],
            point["registers"] + (f" bit {point['bit']}" if point["registers"] and point["bit"] is not None else ""),
            point["value"],
            "" if point["unit"] in _UNIT_OF_NOTHING else point["unit"],
            point["quality"],
        )
        for point in answer["points"]
        if not point["quantity"].startswith("_")
    ]


def errors(answer: Answer) -> Iterator[str]:
    """Return what went wrong, request by request."""
    for request in answer["requests"]:
        if request["error"]:
            yield (
                f"{answer['device']} (line {answer['line']}, unit {answer['unit']}), "
                f"function {request['function']} address {request['address']:#06x} "
                f"count {request['count']}: {request['error']}"
            )


def _as_json(answers: Sequence[Answer]) -> None:
    """Print a round as one line."""
    sys.stdout.write(orjson.dumps({"time_ns": time.time_ns(), "devices": answers}).decode() + "\n")
    sys.stdout.flush()


class _Page:
    """Everything at once, drawn anew each time; what has changed since the round before stands out."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], str] = {}

    def show(self, answers: Sequence[Answer]) -> None:
        lines = [f"{time.strftime('%H:%M:%S')}  every second, until Ctrl-C; what changed stands out"]
        for answer in answers:
            lines += ["", *folded(f"{heading(answer)}: {answer['took_ms']:.1f} ms", room())]
            found = rows(answer)
            if found and not silent(answer):
                first, *body = layout(COLUMNS, found, right=("value",), width=room())
                lines += [
                    first,
                    *(self._marked(answer["device"], row, text) for row, text in zip(found, body, strict=False)),
                ]
            lines += [part for text in errors(answer) for part in folded(text, room())]
        sys.stdout.write(_CLEAR + "".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def _marked(self, device: str, row: tuple[Any, ...], text: str) -> str:
        place, now = (device, row[0]), repr(row[1:])
        before = self._before.get(place)
        self._before[place] = now
        return f"{_BOLD}{text}{_PLAIN}" if before not in (None, now) else text


class _Changes:
    """The first round, then only what changes, each with its time."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._troubles: set[str] = set()

    def show(self, answers: Sequence[Answer]) -> None:
        at = time.strftime("%H:%M:%S")
        for answer in answers:
            for row in rows(answer):
                place = (answer["device"], row[0])
                if self._before.get(place) != row[1:]:
                    self._before[place] = row[1:]
                    cells = (cell_text(cell) for cell in (row[2], row[3], row[4], f"[{row[1]}]"))
                    print_text(f"{at} {answer['device']} {row[0]} {' '.join(cell for cell in cells if cell)}")
        troubles = {text for answer in answers for text in errors(answer)}
        for text in sorted(troubles - self._troubles):
            say(f"{at} {text}")
        self._troubles = troubles
        sys.stdout.flush()
