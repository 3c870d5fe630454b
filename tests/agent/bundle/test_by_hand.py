"""The commands that the page gives for a check by hand: they take nothing but Python, and find what was changed."""

import random
import struct
import subprocess
from pathlib import Path

from agent.bundle.page.proof import CHAIN_BY_HAND
from tests.agent.audit.ledger_of_records import Records, works

_NUMBERS = (0.0, -0.0, 1.0, 0.1, 1e-4, 9.99e-5, 1e-6, 1.5e-6, 9e-7, 1e-7, 1.25e-11, 1e15, 1e16, 1e20, 1e21, 1.5e300)


def _checked(folder: Path, payloads: list[bytes]) -> subprocess.CompletedProcess[str]:
    (folder / "records").mkdir(exist_ok=True)
    (folder / "records" / "records.jsonl").write_bytes(b"\n".join(payloads))
    without_packages = CHAIN_BY_HAND.replace("python3 -", "python3 -IS -")
    return subprocess.run(["bash"], input=without_packages, cwd=folder, capture_output=True, text=True, check=False)


def test_a_chain_is_followed_with_python_alone(tmp_path: Path) -> None:
    payloads = works().payloads
    done = _checked(tmp_path, payloads)
    assert done.stdout == f"{len(payloads)} records, each with its own hash and that of the one before\n", done.stderr

    changed = [*payloads]
    changed[4] = changed[4].replace(b'"amount":1.25', b'"amount":1.26')
    assert _checked(tmp_path, changed).stderr.endswith("AssertionError: line 5\n")


def test_its_canonical_form_is_that_of_others(tmp_path: Path) -> None:
    chance, records = random.Random(8785), Records()  # noqa: S311 -- numbers, not secrets
    drawn = (struct.unpack("<d", chance.randbytes(8))[0] for _ in range(2000))
    numbers = [*_NUMBERS, *(each for each in drawn if abs(each) < 1e308), *(chance.random() for _ in range(500))]
    for number in numbers:
        records.add("event", amount=number, text='罐 "1" \\ \x1f\x7f é', nested=[{"b": [], "a": -number}, True])
    done = _checked(tmp_path, records.payloads)
    assert done.stdout.startswith(f"{len(numbers)} records"), done.stderr
