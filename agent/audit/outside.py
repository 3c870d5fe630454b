"""Seals that were received outside: what a subscriber has saved, where nobody who writes to the gateway can."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from agent.audit.finding import Finding
from agent.audit.signature import sound_seal
from agent.store import SEAL_SCHEMA
from drivers.value import frozen

_MEND = "take it from another copy, or remove it"


@frozen
class OutsideSeal:
    """A sound seal, and where it was found."""

    place: str
    body: Mapping[str, Any]


def outside_seals(path: Path) -> tuple[list[OutsideSeal], list[Finding]]:
    """Return the seals of a file, by number and each once, and what is wrong in it; raise OSError.

    Each line is a message as `mosquitto_sub` prints it, with its topic or without; messages of other classes are
    passed over.
    """
    with path.open("rb") as file:
        return sound_seals(str(path), file)


def sound_seals(name: str, lines: Iterable[bytes]) -> tuple[list[OutsideSeal], list[Finding]]:
    """Return the seals that stand in lines of a file of this name, and what is wrong in it."""
    found: dict[str, OutsideSeal] = {}
    wrong: list[Finding] = []
    for number, line in enumerate(lines, 1):
        place, at = f"{name}, line {number}", f"{name}:{number}"
        _, brace, message = line.partition(b"{")
        if not brace:
            if line.strip():
                wrong.append(Finding(at, "holds no message: save one JSON message on each line, or remove it"))
            continue
        try:
            body = orjson.loads(brace + message)
        except ValueError:
            wrong.append(Finding(at, f"is damaged or cut, and no message as it was sent: {_MEND}"))
            continue
        if body.get("schema") != SEAL_SCHEMA:
            continue
        if reason := sound_seal(body):
            wrong.append(Finding(at, f"the seal in it {reason}: {_MEND}"))
        else:
            found.setdefault(body["hash"], OutsideSeal(place, body))
    return sorted(found.values(), key=lambda seal: int(seal.body["seq"])), wrong
