"""A terminal of 80 columns that understands bold type, for what commands print."""

import io
import os
import shutil

import pytest


class Terminal(io.StringIO):
    """What was printed on it."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


def on_terminal(monkeypatch: pytest.MonkeyPatch, kind: str = "xterm") -> Terminal:
    """Let standard output be a terminal for the rest of the test; a fixture would come before pytest's capture."""
    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    monkeypatch.setenv("TERM", kind)
    return shown
