"""`energy-agent verify`: the verdict about a gateway's own records, or about a bundle, in plain words."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from agent.audit.outside import outside_seals
from agent.audit.public_key import given_key
from agent.audit.stamps import given_authorities
from agent.audit.trusted import Trusted
from agent.bundle.form import BundleError
from agent.bundle.gateway import verify_gateway
from agent.bundle.inspect import is_bundle
from agent.bundle.verdict import State, Verdict
from agent.bundle.verify import verify as verified
from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.phrases import by_clock_of
from agent.commands.table import print_text
from agent.config.load import load_config
from agent.counted import counted
from agent.store import StoreError
from drivers.value import frozen

_SIGNS = {
    State.HOLDS: "holds          ",
    State.FAILS: "DOES NOT HOLD  ",
    State.UNCHECKED: "not checked    ",
    State.NOTE: "note           ",
}


@frozen
class Asked:
    """What is to be verified, and what is known from elsewhere."""

    path: Path
    keys: Sequence[str]
    seals: Path | None
    authorities: Sequence[Path]
    moved: Sequence[Path]
    json: bool


def verify(asked: Asked) -> Exit:
    """Print the verdict; the exit code is 1 when something does not hold.

    Raises ConfigError, and CommandError where there is nothing that could hold.
    """
    if asked.path.is_dir():
        raise CommandError(f"{asked.path}: is a folder: give the archive as it was made, not what was unpacked from it")
    bundle = is_bundle(asked.path)
    if bundle and asked.moved:
        raise CommandError(f"{asked.path}: is a bundle and has its captures in it: leave --captures out")
    try:
        trusted = _trusted(asked)
        if bundle:
            verdict = verified(asked.path, trusted)
        else:
            verdict = verify_gateway(load_config(asked.path), trusted, asked.moved)
    except (BundleError, StoreError, ValueError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        where = "the folder for temporary files (set TMPDIR to another)"
        raise CommandError(f"{where} cannot be written: {error.strerror}") from error
    if verdict.empty:
        raise CommandError(f"{asked.path}: there is nothing to verify yet: no interval was recorded in the store")
    sentence = verdict.sentence("this bundle" if bundle else "what this gateway has recorded", trusted)
    if asked.json:
        print_json(
            {
                "right": verdict.right,
                "verdict": sentence,
                "held_against": verdict.held_against,
                "checks": [asdict(each) for each in verdict.checks],
            }
        )
    else:
        _show(asked.path, verdict, sentence)
    return Exit.DONE if verdict.right else Exit.NO


def _trusted(asked: Asked) -> Trusted:
    """Return what is known from elsewhere; raise ValueError where it cannot be read."""
    keys = [given_key(key) for key in asked.keys]
    authorities = [given_authorities(path) for path in asked.authorities]
    if asked.seals is None:
        return Trusted(keys, authorities=authorities)
    try:
        seals, wrong = outside_seals(asked.seals)
    except OSError as error:
        raise ValueError(f"{asked.seals}: cannot be read ({error.strerror})") from error
    if wrong:
        others = f" ({counted(len(wrong) - 1, 'more line is', 'more lines are')} wrong)" if len(wrong) > 1 else ""
        raise ValueError(f"{wrong[0]}{others}")
    if not seals:
        raise ValueError(f"{asked.seals}: holds no seal: give messages of …/agent/seal, one on each line")
    return Trusted(keys, seals, authorities)


def _show(path: Path, verdict: Verdict, sentence: str) -> None:
    print_text(f"{path}")
    for each in verdict.checks:
        print_text(f"{_SIGNS[each.state]}{each.name}: {by_clock_of(verdict.zone, each.text)}")
    print_text("")
    print_text(f"VERDICT: {by_clock_of(verdict.zone, sentence)}")
