"""`energy-agent replay`: intervals made again from captures, and what would have been with another configuration."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.bundle.recomputed import Shelf
from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.phrases import by_clock_of
from agent.commands.progress import Progress
from agent.commands.table import fixed, print_table, print_text
from agent.config.load import load_config
from agent.counted import counted
from agent.replay.order import configurations, in_order
from agent.replay.overheard import Overheard
from agent.replay.published import Published
from agent.replay.sense import making_sense
from agent.replay.site import Site
from agent.replay.suppose import FIGURES, Compared, Supposition
from agent.replay.verdict import Report
from agent.replay.verify import Item, Verifier
from agent.tape.notes import Books, TapeError, note_of
from drivers.capture import CaptureError, Note, Section, read_capture
from drivers.capture.reader import capture_files
from drivers.value import frozen

INTERVALS, SUMMARY = "intervals.jsonl", "summary.json"
_LOOKED_THROUGH = 2000
"""Entries without books before a capture is taken for one of others."""
_TOLD_EVERY = 10_000
_UNITS = {"energy_kwh": "kWh", "kgce": "kgce", "co2_kg": "kg CO2"}


@frozen
class Asked:
    """What is to be replayed, with which configurations and factor files, and where the outcome goes."""

    captures: Sequence[Path]
    configs: Sequence[Path]
    factors: Sequence[Path]
    out: Path
    json: bool


def replay(asked: Asked) -> Exit:
    """Replay captures; the exit code is 1 where an interval differs, or none could be made again."""
    sites = Sites(asked)
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
        published = Published(asked.out / INTERVALS)
    except OSError as error:
        raise CommandError(f"{error.filename or asked.out}: {error.strerror}: name a folder to write to") from error
    try:
        with Progress("replaying") as progress, published:
            files = in_order(capture_files(asked.captures))
            return _replayed(asked, sites, published, files, _told(files, progress))
    except (CaptureError, TapeError) as error:
        raise CommandError(str(error)) from error


class Sites:
    """The configurations given, and those that the agent has kept with all they were made of."""

    def __init__(self, asked: Asked) -> None:
        """Raise ConfigError or FactorFileError for what is wrong."""
        self.given = [Site(load_config(path), asked.factors) for path in asked.configs]
        config = self.given[0].config
        folder = config.resolve(config.store.path).parent / "audit" / "documents"
        # Other factors are given to see what would have been.
        self._kept = Shelf(folder) if folder.is_dir() and not asked.factors else None

    def of(self, books: Books) -> Site | None:
        """Return the configuration that books were kept with, None when it is not at hand."""
        with making_sense(Books.kind, "the capture"):
            same = next((site for site in self.given if not site.unlike(books)), None)
            return same or (self._kept.site_of(books) if self._kept else None)

    def meant(self, first: Books, captured: set[str]) -> bool:
        """Whether those given are those of the capture, by its first books and all digests; else others on purpose."""
        given = {site.config.digest for site in self.given}
        return bool(given & captured) and (self.of(first) is not None or first.configuration not in given)


def _replayed(asked: Asked, sites: Sites, published: Published, files: Sequence[Path], items: Iterator[Item]) -> Exit:
    began = time.perf_counter()
    first, items = _first_books(items)
    outcome: dict[str, Any]
    site = sites.given[0]
    if first is None:
        overheard = Overheard(site, published)
        report = overheard.play(items)
        if not report.exchanges:
            why = "; ".join(report.remarks) or "there is no exchange in what is given"
            raise CommandError(f"{why}: name captures of an agent, or of traffic on TCP port 502")
        outcome = {"mode": "overheard", "totals": _totals(overheard.records)}
    elif sites.meant(first, configurations(files)):
        report = Verifier(sites.of, published).play(items)
        outcome = {"mode": "verified"}
    else:
        supposition = Supposition(site, published)
        compared = supposition.play(items)
        report = supposition.report
        outcome = {"mode": "supposed", "other": site.unlike(first), "compared": [_row(each) for each in compared]}
    seconds = time.perf_counter() - began
    summary = _summary(report, seconds) | outcome
    (asked.out / SUMMARY).write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if asked.json:
        print_json(summary)
    else:
        _show(summary, asked, site.config.site.zone)
    counts = report.total
    none = outcome["mode"] == "verified" and not counts.identical
    return Exit.NO if counts.different or none else Exit.DONE


def _told(files: Sequence[Path], progress: Progress) -> Iterator[Item]:
    """Yield what stands in files, and show how far it is."""
    done = 0
    for count, item in enumerate(read_capture(files)):
        if isinstance(item, Section):
            done += 1
        if not count % _TOLD_EVERY:
            progress.at(max(0, done - 1), len(files), counted(count, "entry", "entries"))
        yield item


def _first_books(items: Iterator[Item]) -> tuple[Books | None, Iterator[Item]]:
    """Return the books that a capture begins with, None for one of others, and everything in it."""
    seen: list[Item] = []
    for item in items:
        seen.append(item)
        if isinstance(item, Note) and isinstance(note := note_of(item.kind, item.body), Books):
            return note, chain(seen, items)
        if len(seen) > _LOOKED_THROUGH or (isinstance(item, Section) and not item.ours):
            break
    return None, chain(seen, items)


def _summary(report: Report, seconds: float) -> dict[str, Any]:
    counts = report.total
    return {
        "files": report.files,
        "exchanges": report.exchanges,
        "polls": report.polls,
        "seconds": round(seconds, 3),
        "exchanges_per_s": round(report.exchanges / max(seconds, 1e-9)),
        **asdict(counts),
        "unknown_because": dict(report.unknown),
        "withdrawn": report.withdrawn,
        "first": asdict(report.first) | {"place": str(report.first.place)} if report.first else None,
        "accounts": {name: asdict(each) for name, each in sorted(report.accounts.items())},
        "remarks": report.remarks,
    }


def _totals(records: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return the sums of the latest revisions of each account."""
    found = {}
    for account, every in sorted(records.items()):
        latest = {body["start"]: body for body in every}.values()
        sums = {key: sum(body[key] for body in latest if key in body) for key in FIGURES if key in every[0]}
        found[account] = {"intervals": len(latest), "unit": every[0]["unit"], **sums}
    return found


def _row(each: Compared) -> dict[str, Any]:
    return asdict(each) | {"difference": each.difference}


def _show(summary: dict[str, Any], asked: Asked, zone: ZoneInfo) -> None:
    speed = f"{summary['exchanges_per_s']:,} exchanges/s"
    files = counted(summary["files"], "file", "files")
    exchanges = counted(summary["exchanges"], "exchange", "exchanges")
    polls = counted(summary["polls"], "poll", "polls")
    print_text(f"{files}: {exchanges}, {polls}, replayed in {summary['seconds']:.1f} s ({speed})")
    if summary["mode"] == "verified":
        _show_verified(summary, zone)
    else:
        {"supposed": _show_supposed, "overheard": _show_overheard}[summary["mode"]](summary)
    for remark in summary["remarks"]:
        print_text(f"note: {by_clock_of(zone, remark)}")
    print_text(f"records: {asked.out / INTERVALS}; summary: {asked.out / SUMMARY}")


def _show_verified(summary: dict[str, Any], zone: ZoneInfo) -> None:
    rows = [(name, each["identical"], each["different"], each["unknown"]) for name, each in summary["accounts"].items()]
    rows.append(("all", summary["identical"], summary["different"], summary["unknown"]))
    print_table("", ("intervals of", "identical", "different", "not recomputable"), rows)
    if not any(summary[key] for key in ("identical", "different", "unknown")):
        print_text("no interval was recorded in what is given: an hour's last is in the next file, so give that, too")
    for why, count in summary["unknown_because"].items():
        print_text(f"not recomputable, {count}: {by_clock_of(zone, why)}")
    if summary["withdrawn"]:
        lost = counted(summary["withdrawn"], "interval was", "intervals were")
        print_text(f"{lost} recorded, lost before the store had committed it, and recorded anew")
    if first := summary["first"]:
        revision = f", revision {first['revision']}" if first["revision"] else ""
        start = by_clock_of(zone, first["start"])
        print_text(f"the first that differs: {first['account']} {start}{revision}, {first['place']}")
        said = [orjson.dumps(first[key]).decode() for key in ("recorded", "recomputed")]
        print_text(f"{first['key']}: recorded {said[0]}, recomputed {said[1]}", "  ")


def _show_supposed(summary: dict[str, Any]) -> None:
    print_text(f"not what the capture was made with: {', '.join(summary['other'])}")
    print_text("so this is what would have been; to verify, give the configuration it was made with")
    _show_figures(
        (each["account"], _UNITS.get(each["figure"], each["unit"]), each["recorded"], each["supposed"])
        for each in summary["compared"]
    )


def _show_figures(figures: Iterable[tuple[str, str, float | None, float | None]]) -> None:
    rows = []
    for account, unit, was, would in figures:
        more = None if was is None or would is None else round(would - was, 6) + 0.0
        share = "" if not was or more is None else f"{more / abs(was) * 100:+.3f}"
        rows.append((account, unit, *(fixed([each])[0] for each in (was, would, more)), share))
    columns = ("account", "in", "recorded", "recomputed", "difference", "%")
    print_table("", columns, rows, right=columns[2:])


def _show_overheard(summary: dict[str, Any]) -> None:
    rows = [
        (name, each["intervals"], *(fixed([each.get(key)])[0] for key in FIGURES), each["unit"])
        for name, each in summary["totals"].items()
    ]
    columns = ("account", "intervals", "amount", "kWh", "kgce", "kg CO2", "unit")
    print_text("captured by others: polls are put together from the plan, and there is nothing to compare with")
    print_table("", columns, rows, right=columns[1:-1])
