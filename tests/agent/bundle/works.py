"""A real agent on the simulated plant for some seconds, its bundle, and what a forger would make of it."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.key_file import load_key
from agent.audit.merkle import Tree
from agent.audit.public_key import public_text
from agent.bundle.inspect import inspect
from agent.bundle.materials import ground_of
from agent.bundle.page import PAGES, page
from agent.bundle.summary import period_ns, summarise
from agent.bundle.write import Content, write_bundle
from agent.store import StoreError, canonical, read_intervals, record_hash
from tests.soak.rig import SIMULATORS

Body = dict[str, Any]
RECORDS = "records/records.jsonl"
_DEVICES = """
[[device]]
name = "{name}"
area = "{area}"
line = "{line}"
unit = {unit}
profile = "{profile}"
{more}
"""
_MORE = {
    "main-meter": """meters = "site"

[[device.calibration]]
certificate = "DL-2026-00417"
by = "Anhui Institute of Metrology"
accuracy_class = "0.5S"
valid_until = 2020-03-09
"""
}


@dataclass(frozen=True, slots=True)
class Works:
    """What a run left behind."""

    config: Path
    bundle: Path

    @property
    def key(self) -> Ed25519PrivateKey:
        """The agent's key."""
        return load_key(self.config.parent / "audit" / "key.pem")

    @property
    def period(self) -> tuple[str, str]:
        """From the first start to the last, as the command takes it."""
        starts = sorted(_starts(self.config))
        return starts[2], starts[-1]


def _await_first(config: Path) -> None:
    """Wait until an interval is recorded, however slow a busy machine starts."""
    for _ in range(600):
        with contextlib.suppress(StoreError):
            if _starts(config):
                return
        time.sleep(0.1)
    raise AssertionError("no interval was recorded within a minute")


def _starts(config: Path) -> list[str]:
    found = read_intervals(config.parent / "store.db", 0, 1 << 62)
    return sorted({orjson.loads(record.payload)["start"] for record in found})


def run_works(folder: Path, seconds: float) -> Works:
    """Run a plant and an agent for so long behind the first interval, and make a bundle of it."""
    environment = {**os.environ, "ENERGY_AGENT_CLOCK_WAIT_S": "0"}
    plant = subprocess.Popen([str(SIMULATORS), "plant", "--json"], stdout=subprocess.PIPE, env=environment)
    try:
        assert plant.stdout is not None
        served = json.loads(plant.stdout.readline())["devices"]
        config = folder / "energy-agent.toml"
        config.write_text(_text(served), encoding="utf-8")
        with (folder / "log").open("wb") as log:
            agent = subprocess.Popen([sys.executable, "-m", "agent", "run", str(config)], stderr=log, env=environment)
            try:
                _await_first(config)
                time.sleep(seconds)
            finally:
                agent.send_signal(signal.SIGTERM)
                assert agent.wait(20) == 0, (folder / "log").read_text(encoding="utf-8")
    finally:
        plant.terminate()
        plant.communicate(timeout=10)
    works = Works(config, folder / "evidence.tar")
    start, end = works.period
    done = command("bundle", str(config), "--from", start, "--to", end, "--out", str(works.bundle))
    assert done.returncode == 0, done.stderr
    return works


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the program."""
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments], capture_output=True, text=True, check=False, encoding="utf-8"
    )


def _text(served: list[Body]) -> str:
    lines = {each["line"]: each["url"] for each in served}
    text = (
        '[site]\nname = "works"\nelectricity_region = "CN-AH"\n\n[store]\npath = "store.db"\ncommit_every = "100ms"\n'
    )
    text += "".join(f'\n[[line]]\nname = "{name}"\nurl = "{url}"\n' for name, url in lines.items())
    for each in served:
        text += _DEVICES.format(
            name=each["device"],
            area=each["line"],
            line=each["line"],
            unit=each["unit"],
            profile=each["profile"],
            more=_MORE.get(each["device"], ""),
        )
    text += '\n[interval]\nlength = "2s"\n\n[audit]\nseal_every = "4s"\n'
    return text + '\n[capture]\nmode = "full"\ndirectory = "capture"\nmax_size = "64MiB"\n'


def remade(
    bundle: Path, target: Path, key: Ed25519PrivateKey, changed: Mapping[str, bytes | None], **head: Any
) -> Path:
    """Write a bundle anew with another key or other members (None leaves one out), as somebody with a key could."""
    inspection = inspect(bundle)
    manifest = inspection.manifest
    assert manifest is not None
    contents: dict[str, Content] = {}
    for member in manifest.members:
        content = changed.get(member.path, inspection.read(member.path))
        if member.path != "public-key.pem" and content is not None:
            contents[member.path] = content
    kept = {name: value for name, value in manifest.head.items() if name not in ("schema", "public_key")}
    write_bundle(target, contents, {**kept, **head}, key)
    return target


def chained_anew(records: list[Body], key: Ed25519PrivateKey) -> bytes:
    """Return records with hashes, links and seals made anew, as somebody with a key could."""
    previous, seal_before, waiting, lines = records[0]["previous"], "", list[Body](), []
    renamed: dict[str, str] = {}
    for body in records:
        was = body["hash"]
        body |= {"previous": previous}
        if body["schema"] == "energy-agent/seal/1":
            covered = [each for each in waiting if each["seq"] <= body["to_seq"]]
            if body["from_seq"] >= records[0]["seq"]:
                tree = Tree()
                for each in covered:
                    tree.add(bytes.fromhex(each["hash"].removeprefix("sha256:")))
                body |= {"root": f"sha256:{tree.root().hex()}", "head": covered[-1]["hash"]}
            waiting = waiting[len(covered) :]
            body |= {"public_key": public_text(key.public_key())}
            body |= {"previous_seal": seal_before or body["previous_seal"]}
            body["signature"] = base64.b64encode(key.sign(canonical(body))).decode()
        body["hash"] = record_hash(body)
        renamed[was] = body["hash"]
        previous = body["hash"]
        seal_before = body["hash"] if body["schema"] == "energy-agent/seal/1" else seal_before
        waiting.append(body)
        lines.append(orjson.dumps(body))
    return b"\n".join(lines) + b"\n"


def forged_whole(works: Works, target: Path, alter: Callable[[Body], None], key: Ed25519PrivateKey) -> Path:
    """Write a bundle in which everything follows from an altered record, made anew with another key."""
    inspection = inspect(works.bundle)
    manifest = inspection.manifest
    assert manifest is not None
    head = {name: value for name, value in manifest.head.items() if name != "schema"}
    head["public_key"] = public_text(key.public_key())
    records = altered(works.bundle, alter)
    content = chained_anew(records, key)
    folder = target.with_suffix(".documents")
    folder.mkdir()
    for path in inspection.places:
        if path.startswith("documents/"):
            (folder / path.removeprefix("documents/")).write_bytes(inspection.read(path))
    ground = ground_of(head["documents"], folder)
    summary = summarise(*period_ns(head), lambda: map(orjson.loads, content.splitlines()), ground, [])
    changed: dict[str, bytes | None] = {path: None for path in inspection.places if path.startswith("captures/")}
    changed |= {RECORDS: content, "summary.json": orjson.dumps(summary, option=orjson.OPT_INDENT_2)}
    changed |= {path: page(summary, head, language) for path, language in PAGES.items()}
    return remade(works.bundle, target, key, changed)


def records_of(bundle: Path) -> list[Body]:
    """Return the records of a bundle."""
    return [orjson.loads(line) for line in inspect(bundle).read(RECORDS).splitlines()]


def altered(bundle: Path, alter: Callable[[Body], None]) -> list[Body]:
    """Return the records of a bundle with one interval of the meter altered."""
    records = records_of(bundle)
    start = inspect(bundle).manifest.head["from"]  # type: ignore[union-attr]  # a bundle that is whole
    chosen = [each for each in records if each.get("account") == "main-meter/electricity" and each["start"] >= start]
    alter(chosen[1])
    return records
