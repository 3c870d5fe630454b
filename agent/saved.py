"""What is saved for the next run: JSON that says in which shape it is, and what is done with one nobody can read."""

import json
from typing import Any

from agent.record import as_json

VERSION = 2
"""Shape of the states and rows of this agent; another one is not read."""

ASIDE = "aside/"
"""States that could not be read are kept under this and their name."""


class UnreadableError(Exception):
    """Raised for a saved state that is damaged or of another shape; says why, and which `version` wrote it."""

    def __init__(self, why: str, version: object = None) -> None:
        super().__init__(why)
        self.version = version


def pack(**fields: Any) -> bytes:
    """Return a state of JSON values as it is saved."""
    fields = {"version": VERSION, **fields}
    try:
        return as_json(fields)
    except TypeError:
        return json.dumps(fields).encode()  # orjson refuses numbers beyond 64 bits, to which absurd readings add up


def unpack(state: bytes) -> dict[str, Any]:
    """Return the fields of a saved state; raise UnreadableError when it is not one of this shape."""
    try:
        fields = json.loads(state)
    except ValueError as error:
        raise UnreadableError("it is damaged") from error
    version = fields.get("version") if isinstance(fields, dict) else None
    if version != VERSION:
        raise UnreadableError(f"it has shape {version or 1}, and this agent reads shape {VERSION}", version or 1)
    found: dict[str, Any] = fields
    return found


def set_aside(state: bytes, error: UnreadableError) -> bytes:
    """Return what is kept of a state that could not be read: itself, why, and which version wrote it."""
    kept = {"written_by": error.version, "why": str(error), "state": state.decode(errors="backslashreplace")}
    return json.dumps(kept).encode()
