"""`energy-agent replace-meter` and `revise`: corrections, taken by the running agent or done at once without one."""

import asyncio
import errno
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from agent.audit.key_file import KeyFileError
from agent.books.conversions import Conversions
from agent.commands.kept import parse_time
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.phrases import by_clock_of
from agent.commands.table import fixed, print_table, print_text
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.corrections.amend import Body, in_force, reweighed
from agent.corrections.desk import fingerprint
from agent.corrections.refusal import refusal, unbookable
from agent.corrections.request import Request, Revise, Withdrawal, answered, ask, in_use, withdraw
from agent.counted import counted
from agent.metering.amount import Declaration
from agent.plant import Account
from agent.record import start_of
from agent.service import Agent
from agent.store import StoreError, read_intervals
from drivers.document import nearest
from drivers.value import frozen

_QUESTIONS = 2
_PATIENCE_S = 30.0
_LONG_S = 600.0
"""A revision of years takes its time."""
_LOOK_S = 0.1
_AS_AGENT, _ROOM = "run this as the user of the agent", "make room on the disk it lies on"
_REMEDIES = {errno.EACCES: _AS_AGENT, errno.EPERM: _AS_AGENT, errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM}
_WHEN_IT_BEGAN = "give the time at which the counter showed its first reading"


@frozen
class Replaced:
    """A replaced meter as the command line has it; without `last` an initial reading. `withdraw` takes it back."""

    account: str
    at: str
    last: float | None
    first: float
    reason: str
    author: str
    withdraw: bool = False


def replace_meter(path: Path, asked: Replaced, *, as_json: bool) -> Exit:
    """Declare that a meter was replaced, or what it showed when its account began, or take that back."""
    config = load_config(path)
    account = known_account(config, asked.account)
    if problem := refusal(asked.account, account):
        raise CommandError(problem[0])
    time_ns = parse_time(asked.at, config.site.zone)
    if time_ns > time.time_ns():
        remedy = f"declare it once the meter is replaced, or plan it with [[replacement]] in {path}"
        raise CommandError(f"--at {asked.at} lies ahead: " + (remedy if asked.last is not None else _WHEN_IT_BEGAN))
    declared = Declaration(asked.account, time_ns, asked.last, asked.first, said(asked.reason, "--reason"),
                           said(asked.author, "--author"))  # fmt: skip
    if asked.withdraw:
        return hand_over(config, Withdrawal(*declared.state()), _LONG_S, as_json=as_json)
    if wrong := unbookable(declared):
        raise CommandError(wrong)
    return hand_over(config, declared, _PATIENCE_S, as_json=as_json)


@frozen
class Period:
    """What is to be revised as the command line has it."""

    start: str
    end: str
    account: str | None
    reason: str
    author: str


def revise(path: Path, asked: Period, *, sure: int, as_json: bool) -> Exit:
    """Show what the factors now in force would change in closed intervals, and after asking twice revise them."""
    config = load_config(path)
    zone = config.site.zone
    since_ns, until_ns = parse_time(asked.start, zone), parse_time(asked.end, zone)
    if until_ns <= since_ns:
        raise CommandError(f"--to {asked.end} is not after --from {asked.start}: give the end of the period with --to")
    if asked.account:
        known_account(config, asked.account)
    reason, author = said(asked.reason, "--reason"), said(asked.author, "--author")
    library = config.library
    changes = list(_changes(config, Conversions(config, library), since_ns, until_ns, asked.account))
    if not as_json or sure < _QUESTIONS:
        show(changes, as_json=as_json)
    if not changes:
        say("the factors in force say nothing else: nothing to revise")
        return Exit.DONE
    if not _agreed(len(changes), sure, as_json=as_json):
        return Exit.NO
    request = Revise(since_ns, until_ns, asked.account or "", reason, author, fingerprint(config, library))
    return hand_over(config, request, _LONG_S, as_json=as_json)


def _changes(
    config: SiteConfig, conversions: Conversions, since_ns: int, until_ns: int, account: str | None
) -> Iterable[tuple[Body, Body]]:
    """Yield each record in force with what it would become."""
    accounts = {each.name: each for each in _plant(config)}
    try:
        found = read_intervals(config.resolve(config.store.path), since_ns, until_ns, account)
    except StoreError as error:
        raise CommandError(str(error)) from error
    records: dict[str, list[Body]] = {}
    for record in found:
        body = orjson.loads(record.payload)
        records.setdefault(body["account"], []).append(body)
    for name, own in records.items():
        known = accounts.get(name)
        if known is None or known.carrier is None:
            continue
        for body in in_force(own):
            if known.unit == body["unit"] and (
                after := reweighed(body, conversions.at(known, start_of(body)), "factor_change")
            ):
                yield body, after


def show(changes: Sequence[tuple[Body, Body]], *, as_json: bool) -> None:
    """Print what would change, by account and pair of factors."""
    groups: dict[tuple[str, str, str], list[tuple[Body, Body]]] = {}
    for before, after in changes:
        key = (before["account"], _factor(before), _factor(after))
        groups.setdefault(key, []).append((before, after))
    rows: list[tuple[str, int, float, float, float, str, str]] = []
    for (account, old, new), pairs in groups.items():
        before = sum(body.get("co2_kg", 0.0) for body, _ in pairs)
        after = sum(body.get("co2_kg", 0.0) for _, body in pairs)
        rows.append((account, len(pairs), before, after, after - before, old, new))
    columns = ("account", "intervals", "kg CO2 before", "after", "difference", "factor before", "factor now")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        figures = zip(*(fixed(numbers) for numbers in zip(*(row[2:5] for row in rows), strict=True)), strict=True)
        shown = [(*row[:2], *numbers, *row[5:]) for row, numbers in zip(rows, figures, strict=True)]
        print_table("What the factors now in force change", columns, shown, right=columns[1:5])


def _factor(body: Body) -> str:
    used = body.get("factor")
    return f"{used['set']} {used['id']} {used['value']:g} {used['unit']}" if used else "none"


def _agreed(count: int, sure: int, *, as_json: bool) -> bool:
    if sure < _QUESTIONS and (as_json or not sys.stdin.isatty()):
        say("nothing was revised: nobody can be asked here: add --yes --yes to revise")
        return False
    questions = (
        f"Revise {counted(count, 'interval', 'intervals')}?",
        "Each gets a new revision, which is delivered and cannot be taken back. Really revise them?",
    )
    for question in questions[sure:]:
        try:
            yes = input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
        except EOFError:
            yes = False
        if not yes:
            say("nothing was revised")
            return False
    return True


def hand_over(config: SiteConfig, request: Request, patience_s: float, *, as_json: bool) -> Exit:
    """Have a request served by the running agent, or without one here; print the answer."""
    store = config.resolve(config.store.path)
    if not store.exists():
        raise CommandError(f"{store}: there is no store yet: start the agent first, or check [store] path")
    store = store.resolve()
    try:
        name = ask(store, request)
        running = in_use(store)
        if not running:
            asyncio.run(Agent(config).correct())
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check the disk it lies on")
        raise CommandError(f"{store.parent}: {error.strerror}: {remedy}") from error
    except (StoreError, KeyFileError) as error:
        withdraw(store, name)
        raise CommandError(str(error)) from error
    found = _wait(store, name, patience_s if running else 0.0)
    if found is None:
        say("the running agent has not answered yet: it is done as soon as it does")
        return Exit.UNREACHABLE
    if as_json:
        print_json(found)
    else:
        print_text(by_clock_of(config.site.zone, found["text"]))
    return Exit.DONE if found["done"] else Exit.NO


def _wait(store: Path, name: str, patience_s: float) -> dict[str, Any] | None:
    until = time.monotonic() + patience_s
    while (found := answered(store, name)) is None and time.monotonic() < until:
        time.sleep(_LOOK_S)
    return found


def _plant(config: SiteConfig) -> tuple[Account, ...]:
    plant = config.plant()
    return (*plant.accounts, *plant.outputs)


def known_account(config: SiteConfig, name: str) -> Account:
    """Return an account or output by name; raise CommandError where there is none."""
    accounts = {account.name: account for account in _plant(config)}
    if name not in accounts:
        raise CommandError(f"there is no account '{name}': {nearest(name, accounts)}")
    return accounts[name]


def said(text: str, option: str) -> str:
    """Return a text that has to say something; raise CommandError when it does not."""
    if not text.strip():
        raise CommandError(f"{option} is empty: an auditor will ask")
    return text.strip()
