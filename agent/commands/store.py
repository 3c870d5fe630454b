"""`energy-agent store`: what waits in the store, and what receivers refused for good."""

import errno
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.phrases import clock_text, counts_text, span_text
from agent.commands.table import print_table, print_text
from agent.config.load import load_config
from agent.counted import counted
from agent.metering.amount import NS_PER_S
from agent.record import rfc3339
from agent.sections.measure import bytes_text
from agent.store import DeadLetter, StoreError, StoreStatus, discard_dead_letters, read_dead_letters, read_status
from drivers.document import nearest

_QUESTIONS = 2
_LETTERS = ("dead letter", "dead letters")


def store(
    path: Path,
    *,
    listing: bool = False,
    sink: str | None = None,
    export: Path | None = None,
    discard: bool = False,
    sure: int = 0,
    as_json: bool = False,
) -> Exit:
    """Print an overview of the store; or list, export and discard its dead letters."""
    config = load_config(path)
    file, zone = config.resolve(config.store.path), config.site.zone
    if sink is not None and not (listing or discard or export):
        raise CommandError("--sink chooses dead letters: add --dead-letters, --export FILE or --discard")
    try:
        if not (listing or discard or export):
            overview(read_status(file), file, config.store.max_size, zone, as_json=as_json)
            return Exit.DONE
        letters = read_dead_letters(file, sink)
        if sink is not None and not letters:
            _expect_known(sink, {*config.sinks, *read_status(file).sinks})
        if listing:
            show(letters, zone, as_json=as_json)
        if export:
            _export(letters, export)
        return _discard(file, sink, letters, sure) if discard else Exit.DONE
    except StoreError as error:
        raise CommandError(str(error)) from error


def _expect_known(sink: str, known: set[str]) -> None:
    """Raise CommandError for a sink that neither the configuration nor the store has; one of either may be without."""
    if sink not in known:
        raise CommandError(f"there is no sink '{sink}': {nearest(sink, known) or 'none is configured'}")


def overview(status: StoreStatus, file: Path, max_size: int, zone: ZoneInfo, *, as_json: bool) -> None:
    """Print how full the store is and how long records have waited for each receiver."""
    now = datetime.now(zone)
    sinks: dict[str, dict[str, Any]] = {
        name: {"oldest_seq": sink.oldest_seq, "dead_letters": sink.dead_letters}
        | (
            {"oldest": rfc3339(sink.oldest_ns), "oldest_age_s": round(now.timestamp() - sink.oldest_ns / NS_PER_S, 3)}
            if sink.oldest_ns is not None
            else {}
        )
        for name, sink in status.sinks.items()
    }
    if as_json:
        figures = {"bytes": status.bytes, "max_bytes": max_size, "committed_seq": status.committed_seq}
        counts = {"records": status.records, "dropped": status.dropped, "dropped_for": status.dropped_for}
        print_json({"path": str(file), **figures, **counts, "sinks": sinks})
        return
    print_text(f"{file}, times of {zone.key}")
    share = status.bytes / max_size
    print_text(f"size: {status.bytes / 2**20:,.1f} MiB, {share * 100:.0f} % of {bytes_text(max_size)}", "  ")
    print_text(f"records: {counts_text(status.records)}", "  ")
    print_text(f"dropped undelivered: {counts_text(status.dropped)}", "  ")
    for reason, count in status.dropped_for.items():
        print_text(f"{count:,} because: {reason}", "    ")
    for name, sink in sinks.items():
        waiting = "nothing waits"
        if "oldest" in sink:
            moment = clock_text(datetime.fromisoformat(sink["oldest"]).astimezone(zone), now)
            waiting = f"the oldest that waits is of {moment}, {span_text(max(0.0, sink['oldest_age_s']))} old"
        print_text(f"{name}: {waiting}; dead letters: {sink['dead_letters']:,}", "  ")


def show(letters: Sequence[DeadLetter], zone: ZoneInfo, *, as_json: bool) -> None:
    """Print dead letters, oldest first."""
    if as_json:
        print_json([_body(letter) for letter in letters])
        return
    if not letters:
        print_text("no dead letters")
        return
    now = datetime.now(zone)
    columns = ("refused", "by", "seq", "class", "of", "reason")
    rows = [
        (
            clock_text(datetime.fromtimestamp(letter.refused_ns // NS_PER_S, zone), now),
            letter.sink,
            letter.record.seq,
            letter.record.kind,
            letter.record.key,
            letter.reason,
        )
        for letter in letters
    ]
    print_table(f"Records that receivers refused for good, times of {zone.key}", columns, rows)


def _body(letter: DeadLetter) -> dict[str, Any]:
    return {
        "sink": letter.sink,
        "reason": letter.reason,
        "refused": rfc3339(letter.refused_ns),
        "class": letter.record.kind,
        "key": letter.record.key,
        "time": rfc3339(letter.record.time_ns),
        "record": orjson.loads(letter.record.payload),
    }


def _export(letters: Sequence[DeadLetter], file: Path) -> None:
    try:
        # A pipe that nobody reads is no place to wait at.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        os.set_blocking(descriptor, True)
        with os.fdopen(descriptor, "wb") as written:
            written.writelines(orjson.dumps(_body(letter), option=orjson.OPT_APPEND_NEWLINE) for letter in letters)
    except OSError as error:
        reason = "is a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror
        raise CommandError(f"{file}: {reason}: check the path and its rights") from error
    say(f"{counted(len(letters), *_LETTERS)} written to {file}")


def _discard(file: Path, sink: str | None, letters: Sequence[DeadLetter], sure: int) -> Exit:
    if not letters:
        say("no dead letters to discard")
        return Exit.DONE
    if sure < _QUESTIONS and not sys.stdin.isatty():
        raise CommandError("nobody can be asked here: add --yes --yes to discard the dead letters")
    whose = f" of {sink}" if sink else ""
    questions = (
        f"Discard {counted(len(letters), *_LETTERS)}{whose}?",
        "What the receiver never got is kept nowhere else. Really discard it?",
    )
    for question in questions[sure:]:
        if not _agreed(question):
            say("nothing was discarded")
            return Exit.NO
    say(f"{counted(discard_dead_letters(file, sink), *_LETTERS)} discarded")
    return Exit.DONE


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
