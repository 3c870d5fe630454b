"""`energy-agent verify BUNDLE`: the verdict about a bundle, in plain words."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from agent.bundle.form import BundleError
from agent.bundle.key import given_key
from agent.bundle.verdict import State, Verdict
from agent.bundle.verify import Known, verify
from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.table import print_text

_SIGNS = {State.HOLDS: "holds          ", State.FAILS: "DOES NOT HOLD  ", State.UNCHECKED: "not checked    "}


def verify_bundle(path: Path, key: str | None, seals: Path | None, *, as_json: bool) -> Exit:
    """Print the verdict about a bundle; the exit code is 1 when something does not hold."""
    try:
        known = Known(given_key(key) if key else None, _seals(seals) if seals else None)
        verdict = verify(path, known)
    except (BundleError, ValueError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        where = "the folder for temporary files (set TMPDIR to another)"
        raise CommandError(f"{where} cannot be written: {error.strerror}") from error
    if as_json:
        print_json({"right": verdict.right, "checks": [asdict(each) for each in verdict.checks]})
    else:
        _show(path, verdict, known)
    return Exit.DONE if verdict.right else Exit.NO


def _seals(path: Path) -> Sequence[dict[str, Any]]:
    """Return seals as they were received, one JSON object per line; raise ValueError for a file that holds others."""
    found = []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            seal = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: is no JSON: give one seal per line, as it was received") from error
        if not isinstance(seal, dict) or not isinstance(seal.get("seq"), int) or "hash" not in seal:
            raise ValueError(f"{path}:{number}: is no seal: give one seal per line, as it was received")
        found.append(seal)
    return found


def _show(path: Path, verdict: Verdict, known: Known) -> None:
    print_text(f"{path}")
    for each in verdict.checks:
        print_text(f"{_SIGNS[each.state]}{each.name}: {each.text}")
    print_text("")
    first = verdict.first
    if first:
        print_text(f"VERDICT: this bundle does not hold. The first that is wrong: {first.text}")
    elif known.key is None and known.seals is None:
        print_text(
            "VERDICT: this bundle holds together in itself. It was held against nothing from outside: one made anew, "
            "whole and with another key, would look the same. Give --key or --seals with what you have from elsewhere."
        )
    else:
        given = " and ".join(
            name for name, there in (("the key", known.key), ("the seals", known.seals is not None)) if there
        )
        more = ", apart from what was not checked above" if any(verdict.of(State.UNCHECKED)) else ""
        print_text(f"VERDICT: this bundle holds, in itself and against {given} you gave{more}.")
