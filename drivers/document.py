"""TOML files that remember their lines, so that every mistake is shown at its place.

The standard library parses and judges the syntax; `_Locator` walks the same text once more, only to note on
which line each key stands. It may therefore assume that the text is well formed.
"""

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = str | int
_MOST_BYTES = 1_000_000
"""Largest file that is read: a configuration of hundreds of devices has a tenth of it."""
_TELLING = 4
"""Letters from which on the beginning of a word is likelier meant than a word that looks like it."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file: where, what, and what to do about it."""

    file: str
    line: int
    """Line of the file, from 1; 0 when the file as a whole is meant."""
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}" + (f": {self.remedy}" if self.remedy else "")


class DocumentError(Exception):
    """Raised when a file cannot be read or is no TOML."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Document:
    """A parsed TOML file: its `content`, the `digest` of that, its `data`, and the line of every key in it."""

    def __init__(self, file: str, text: str) -> None:
        """Parse `text`; raise DocumentError with the place of the first syntax error."""
        self.file = file
        self.content = text.encode()
        self.digest = "sha256:" + hashlib.sha256(self.content).hexdigest()
        self._text = text = text.removeprefix("\ufeff")
        self._lines: dict[tuple[Key, ...], int] | None = None
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except RecursionError as error:
            raise DocumentError(Problem(file, 0, "is nested too deeply", "a few levels are enough")) from error
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"\(at line (\d+), column \d+\)", str(error))
            line = int(found[1]) if found else text.count("\n") + 1
            raise DocumentError(Problem(file, line, *_syntax(str(error).split(" (at ", 1)[0]))) from error
        except ValueError as error:  # Python reads no whole number of thousands of digits
            raise DocumentError(Problem(file, 0, f"not valid TOML: {error}", "shorten that number")) from error

    @classmethod
    def load(cls, path: Path) -> "Document":
        """Read and parse a file; raise DocumentError when that fails."""
        return cls(str(path), read_document(path))

    def line(self, *keys: Key) -> int:
        """Return the line of the innermost of `keys` that stands in the file, 1 when none does."""
        if self._lines is None:  # most files have nothing to be told
            try:
                self._lines = _Locator(self._text).lines
            except RecursionError:  # what could just be read from fewer calls deep
                self._lines = {}
        for end in range(len(keys), 0, -1):
            if keys[:end] in self._lines:
                return self._lines[keys[:end]]
        return 1

    def problem(self, keys: Iterable[Key], what: str, remedy: str = "") -> Problem:
        """Return a problem placed at `keys`."""
        return Problem(self.file, self.line(*keys), what, remedy)


def _syntax(what: str) -> tuple[str, str]:
    """Return what is said of a syntax error, and what to do about it."""
    if what == "Invalid value":
        return f"not valid TOML: {what}", 'correct the syntax; text stands in straight quotes: "…"'
    if twice := re.fullmatch(r"Cannot declare \('([^']*)',\) twice", what):
        return f"[{twice[1]}] stands twice", f"keep one, or write [[{twice[1]}]] for each of several"
    return f"not valid TOML: {what}", "correct the syntax"


def read_document(path: Path) -> str:
    """Return the text of a file; raise DocumentError when it has none, or no end."""
    try:
        return _bounded(path).decode()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DocumentError(Problem(str(path), 0, f"cannot be read ({reason})", "check path and rights")) from error
    except UnicodeDecodeError as error:
        raise DocumentError(Problem(str(path), 0, "is not UTF-8 text", "save it as UTF-8")) from error
    except ValueError as error:
        raise DocumentError(Problem(str(path), 0, f"cannot be a file ({error})", "correct the path")) from error


def _bounded(path: Path) -> bytes:
    """Return what is in a file; raise DocumentError for one that need not end, OSError as reading does."""
    # Asked before opening: a pipe that nobody writes into would hold that up for ever.
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DocumentError(Problem(str(path), 0, "is no regular file", "name a TOML file"))
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise DocumentError(Problem(str(path), 0, "is larger than 1 MB", "check that it is the file you mean"))
    return content


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a remedy that names the known words that begin like a wrong one, else the nearest, whatever their case."""
    options = sorted(known)
    by_folded: dict[str, str] = {word.casefold(): word for word in options}
    folded = name.casefold()
    begun = [word for word in by_folded if len(folded) >= _TELLING and word.startswith(folded)]
    close = [by_folded[word] for word in begun[:2] or difflib.get_close_matches(folded, by_folded, n=2, cutoff=0.6)]
    if close:
        return "did you mean " + " or ".join(f"'{word}'" for word in close) + "?"
    limit = 12
    listed = ", ".join(options[:limit]) + (", …" if len(options) > limit else "")
    return f"known: {listed}" if options else ""


class _Locator:
    """Notes the line of every key and array element of a well-formed TOML text."""

    _BARE = re.compile(r"[A-Za-z0-9_-]+")
    _SCALAR = re.compile(r"[^,\]}#\n]+")

    def __init__(self, text: str) -> None:
        self.lines: dict[tuple[Key, ...], int] = {}
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._counts: dict[tuple[Key, ...], int] = {}
        table: tuple[Key, ...] = ()
        while self._skip():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self) -> bool:
        """Move over white space, line ends and comments; return whether text is left."""
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif self._text[self._at].isspace():
                self._at += 1
            else:
                return True
        return False

    def _note(self, path: tuple[Key, ...]) -> None:
        self.lines.setdefault(path, self._text.count("\n", 0, self._at) + 1)

    def _header(self) -> tuple[Key, ...]:
        array = self._text.startswith("[[", self._at)
        start = self._at
        self._at += 2 if array else 1
        path: tuple[Key, ...] = ()
        keys = self._key()
        for position, key in enumerate(keys):
            path = (*path, key)
            last = position == len(keys) - 1
            if last and array:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        self._skip()
        end, self._at = self._at + (2 if array else 1), start
        self._note(path)
        self._at = end
        return path

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip()
            if self._text[self._at] in "\"'":
                start = self._at
                self._string()
                parts.append(str(tomllib.loads(f"k = {self._text[start : self._at]}")["k"]))
            else:
                found = self._BARE.match(self._text, self._at)
                assert found is not None, "well-formed by construction"  # noqa: S101
                parts.append(found[0])
                self._at = found.end()
            self._skip()
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _pair(self, table: tuple[Key, ...]) -> None:
        start = self._at
        keys = self._key()
        end, self._at = self._at, start
        for length in range(1, len(keys) + 1):
            self._note((*table, *keys[:length]))
        self._at = end + 1  # behind the equals sign
        self._value((*table, *keys))

    def _value(self, path: tuple[Key, ...]) -> None:
        self._skip()
        opening = self._text[self._at]
        if opening in "\"'":
            self._string()
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            found = self._SCALAR.match(self._text, self._at)
            self._at = found.end() if found else self._at + 1

    def _string(self) -> None:
        quote = self._text[self._at]
        delimiter = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._at += len(delimiter)
        while not self._text.startswith(delimiter, self._at):
            self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
        self._at += len(delimiter)
        while len(delimiter) > 1 and self._text.startswith(quote, self._at):
            self._at += 1  # up to two quotes may stand directly before the closing three

    def _array(self, path: tuple[Key, ...]) -> None:
        self._at += 1
        index = 0
        while self._skip() and self._text[self._at] != "]":
            self._note((*path, index))
            self._value((*path, index))
            index += 1
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
        self._at += 1

    def _inline_table(self, path: tuple[Key, ...]) -> None:
        self._at += 1
        while self._skip() and self._text[self._at] != "}":
            self._pair(path)
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
        self._at += 1
