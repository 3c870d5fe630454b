"""The files of secrets and certificates that a configuration names: whether they are there."""

from collections.abc import Mapping
from pathlib import Path

from agent.audit.auditor import CREDENTIALS
from agent.sections.tables import TABLES
from drivers.document import Document, Problem

_FILES: Mapping[str, tuple[str, ...]] = {
    table: tuple(key for key in section.declared if key.endswith("_file"))
    for table, section in TABLES.items()
    if table != "audit"
}
"""Keys that name a file, by table; the key of the seals is judged by what it holds."""


def missing_files(document: Document, folder: Path) -> tuple[list[Problem], list[Problem]]:
    """Return what is wrong, and what is only to be known: a service's credentials exist while it runs.

    Relative names are taken from `folder`. A file that whoever asks may not look for is not said to be missing.
    """
    wrong: list[Problem] = []
    known: list[Problem] = []
    for table, keys in _FILES.items():
        given = document.data.get(table)
        for key in keys:
            name = given.get(key) if isinstance(given, dict) else None
            if not isinstance(name, str) or not _is_missing(folder / name):
                continue
            of_service = (folder / name).is_relative_to(CREDENTIALS)
            what = f"[{table}] {key} '{name}' {'is not there now' if of_service else 'does not exist'}"
            remedy = "a credential is there while its service runs" if of_service else "create it, or correct the path"
            (known if of_service else wrong).append(document.problem((table, key), what, remedy))
    return wrong, known


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # hidden from whoever asks, or no path at all
        return False
    return False
