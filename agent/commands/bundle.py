"""`energy-agent bundle`: the evidence of a period in one archive."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.auditor import audit_folder
from agent.audit.documents import Documents
from agent.audit.key_file import KeyFileError, load_key
from agent.bundle.form import BundleError, Manifest
from agent.bundle.gather import Wanted, unfinished, whole_intervals
from agent.bundle.gather import bundle as write
from agent.bundle.places import turned_on
from agent.commands.kept import parse_time
from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.phrases import by_clock_of
from agent.commands.table import print_text
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.counted import counted
from agent.store import StoreError
from drivers.value import frozen


@frozen
class Asked:
    """The period, as the user wrote it, the file, and folders that captures were moved to."""

    start: str
    end: str
    out: Path
    moved: Sequence[Path]


def bundle(path: Path, asked: Asked, *, as_json: bool) -> Exit:
    """Write the bundle of a period, and say what is in it and what is not."""
    config = load_config(path)
    start_ns, end_ns = (parse_time(text, config.site.zone) for text in (asked.start, asked.end))
    if end_ns <= start_ns:
        raise CommandError(f"--to {asked.end} is not after --from {asked.start}: give the end of the period with --to")
    if not asked.out.parent.is_dir():
        raise CommandError(f"{asked.out}: there is no folder {asked.out.parent}: create it, or name another file")
    try:
        asked_ns, (start_ns, end_ns) = (
            (start_ns, end_ns),
            whole_intervals(config.resolve(config.store.path), start_ns, end_ns),
        )
        key, documents = key_and_documents(config)
        wanted = Wanted(start_ns, end_ns, asked.out, time.time_ns(), asked.moved)
        manifest, summary = write(config, documents, key, wanted)
    except (BundleError, StoreError, KeyFileError) as error:
        raise CommandError(by_clock_of(config.site.zone, str(error))) from error
    if as_json:
        print_json({"bundle": str(asked.out), **manifest.head})
    else:
        _say(config, asked.out, manifest, summary, rounded=asked_ns != (start_ns, end_ns))
        for name in unfinished(config, end_ns):
            print_text(f"still being written, so not in it: {name}; a bundle made when its hour is over has it")
        print_text(
            f"The auditor begins with index.html (index.zh-CN.html) in it, or: energy-agent verify {asked.out.name}"
        )
    return Exit.DONE


def key_and_documents(config: SiteConfig) -> tuple[Ed25519PrivateKey, Documents]:
    """Return the key of the agent's seals, and its documents."""
    folder, given = audit_folder(config), config.audit.key_file
    try:
        key = load_key(config.resolve(given) if given else folder / "key.pem")
    except OSError as error:
        raise CommandError(f"{folder}: cannot be read ({error.strerror}): check the path and its rights") from error
    return key, Documents(folder / "documents")


def _say_captures(config: SiteConfig, summary: dict[str, Any], local: Callable[[str], str]) -> None:
    held = [each for each in summary["captures"] if each["held"]]
    lacking = "" if held else ": the period cannot be recomputed from them"
    if not summary["captures"] and config.capture.mode == "off":
        lacking = f": no capturing is configured: {turned_on(config)}"
    print_text(f"files of raw exchanges: {len(held)}{lacking}")
    unnamed = any(not each["recorded"] for each in held)
    but = ", but one that none names may cover it" if unnamed else ""
    for span in summary["uncaptured"] if summary["captures"] else ():
        print_text(f"no record names a file of {local(span['from'])} to {local(span['to'])}{but}", "  ")
    for each in summary["captures"]:
        if not each["held"]:
            print_text(f"not found: {each['name']}", "  ")


def _say(config: SiteConfig, path: Path, manifest: Manifest, summary: dict[str, Any], *, rounded: bool) -> None:
    zone, size = ZoneInfo(summary["timezone"]), path.stat().st_size

    def local(moment: str) -> str:
        return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M:%S}"

    files = counted(len(manifest.members), "file", "files")
    records = counted(summary["records"], "record", "records")
    print_text(f"{path}: {size:,} bytes, {files}, {records} of the chain")
    more = "; rounded outwards to whole intervals" if rounded else ""
    print_text(f"period: {local(summary['from'])} to {local(summary['to'])}, time zone {zone}{more}")
    _say_captures(config, summary, local)
    for each in manifest.head["missing"]:
        print_text(f"not kept: {each['what']} {each['name']} (sha256:{each['sha256']})")
    for each in summary["meters"]:
        if each["state"] != "valid":
            none = each["state"] == "none"
            why = "no certificate is named for it" if none else "its certificate does not hold for all of the period"
            print_text(f"meter {each['device']}: {why}")
    if not summary["seals"]:
        print_text("no seal covers these records")
    elif summary["unsealed"]:
        print_text(
            f"records behind the last seal: {summary['unsealed']}; a bundle made after the next one has them sealed"
        )
    print_text(f"signed with {manifest.head['public_key']}")
