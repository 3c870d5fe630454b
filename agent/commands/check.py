"""`energy-agent check`: everything that can be said about a configuration without touching the network."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.audit.auditor import check_key
from agent.audit.key_file import KeyFileError
from agent.books.columns import COLUMNS
from agent.books.conversions import Conversions
from agent.commands.balance import configured_balances
from agent.commands.named_files import missing_files
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.table import print_table, print_text
from agent.config import ConfigError, SiteConfig
from agent.config.load import load_config
from agent.metering.amount import NS_PER_S
from agent.metering.window import Windows
from agent.polling.lineload import FULL, HIGH, crowded_hosts, fitting_every_s, request_s
from agent.rollup.balance import Flow
from agent.warning.build import watches
from drivers.document import Document, DocumentError, Problem
from drivers.plan import plan

_NAMED = 5
"""Accounts without a rating that are told by name."""


def plan_of(config: SiteConfig) -> list[dict[str, Any]]:
    """Return, per line, its requests, the share of time they take, and the cadence that would leave room."""
    lines = []
    for line in config.lines:
        devices = [device for device in config.devices if device.line == line.name]
        requests = [
            {
                "device": device.name,
                "unit": device.unit,
                "function": planned.block.function,
                "address": planned.block.address,
                "count": planned.block.count,
                "points": len(planned.points),
                "every_s": planned.every_s,
                "takes_ms": round(request_s(line.endpoint, line.pause_s, planned) * 1000, 2),
                "load": request_s(line.endpoint, line.pause_s, planned) / planned.every_s,
            }
            for device in devices
            for planned in plan(config.profiles[device.name], every_s=device.every)
        ]
        share = sum(request_load for request in requests if isinstance(request_load := request["load"], float))
        entry = {"line": line.name, "url": line.url, "load_percent": round(share * 100, 2), "requests": requests}
        if share > HIGH:
            entry["fitting_every_s"] = fitting_every_s(line, devices, config.profiles)
        lines.append(entry)
    return lines


def memory_of(config: SiteConfig) -> dict[str, Any]:
    """Return what the rings will hold."""
    plant = config.plant()
    columns = COLUMNS * (len(plant.accounts) + len(plant.outputs))
    spans_s = tuple(config.windows.spans_s.values())
    by_minute = range(len(set(config.load_factors)))
    windows = Windows(columns, tick_s=config.windows.tick, spans_s=spans_s, by_minute=by_minute)
    return {
        "accounts": [account.name for account in plant.accounts],
        "outputs": [output.name for output in plant.outputs],
        "columns": columns,
        "ring_bytes": windows.nbytes,
    }


def accounts_of(config: SiteConfig, time_ns: int) -> list[dict[str, Any]]:
    """Return what is accounted for, from which quantity, and with which figures at a time."""
    plant = config.plant()
    conversions = Conversions(config, config.library)
    found = []
    for account in (*plant.accounts, *plant.outputs):
        entry = {
            "account": account.name,
            "carrier": account.carrier,
            "direction": account.direction,
            "from": account.source.name,
            "unit": account.unit,
            "rated_power_kw": account.rated_kw,
        }
        weight = conversions.at(account, time_ns)
        found.append(entry if weight is None else entry | asdict(weight))
    return found


def balances_of(config: SiteConfig) -> list[dict[str, Any]]:
    """Return what is balanced, with what comes in and what of it is metered behind."""
    return [
        {"balance": name, "unit": each.unit, "in": _sum(each.incoming), "metered": _sum(each.metered)}
        for name, each in configured_balances(config).items()
    ]


def _sum(flows: Sequence[Flow]) -> list[str]:
    return [f"{'-' if flow.sign < 0 else '+'}{flow.account}" for flow in flows]


def alarms_of(config: SiteConfig) -> list[dict[str, Any]]:
    """Return what is watched, and whether that is so without being asked."""
    return [
        {
            "alarm": watch.name,
            "place": watch.key,
            "of": watch.value.quantity or watch.value.figure,
            "above": watch.rule.above,
            "below": watch.rule.below,
            "for_s": watch.rule.for_ns / 1e9,
            "severity": str(watch.severity),
            "built_in": watch.built_in,
        }
        for watch in watches(config)
    ]


def _loaded(path: Path) -> tuple[SiteConfig, list[Problem]]:
    """Return a configuration and what is to be known of the files it names; raise ConfigError with every problem."""
    config: SiteConfig | None = None
    problems: list[Problem] = []
    notes: list[Problem] = []
    try:
        config = load_config(path)
    except ConfigError as error:
        problems += error.problems
    with contextlib.suppress(DocumentError):  # a file that cannot be read is among the problems
        wrong, notes = missing_files(Document.load(path), path.parent)
        problems += wrong
    if config is None or problems:
        raise ConfigError(problems)
    return config, notes


def check(path: Path, *, as_json: bool) -> Exit:
    """Validate a configuration; raises ConfigError with every problem, CommandError for a wrong key."""
    config, notes = _loaded(path)
    try:
        check_key(config)
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    now_ns = time.time_ns()
    lines, memory, accounts = plan_of(config), memory_of(config), accounts_of(config, now_ns)
    overloaded = [line for line in lines if line["load_percent"] > FULL * 100]
    alarms, balances = alarms_of(config), balances_of(config)
    if as_json:
        found = {"path": str(path), "lines": lines, "accounts": accounts, "alarms": alarms, "memory": memory}
        told = [str(note) for note in notes]
        print_json({**found, "balances": balances, "notes": told, "ok": not overloaded})
    for line in overloaded:
        say(
            f"{config.path.name}: line '{line['line']}' would be busy {line['load_percent']:.0f} % of the time: "
            f"{_remedy(line)}, raise the baud rate, or move some to another line"
        )
    if not as_json:
        if not overloaded:
            print_text(f"{path}: no problems found")
        for note in notes:
            print_text(str(note))
        _show_lines(lines)
        _show_notes(lines, config)
        _show_accounts(accounts)
        _show_balances(balances)
        _show_factors(accounts, datetime.fromtimestamp(now_ns // NS_PER_S, config.site.zone))
        _show_alarms(alarms)
        print_text(f"\nMemory of the rings: {memory['ring_bytes'] / 2**20:.2f} MiB in {memory['columns']} columns")
    return Exit.NO if overloaded else Exit.DONE


def _show_lines(lines: list[dict[str, Any]]) -> None:
    """Print the load of every line, then its requests."""
    print_table(
        "\nLines",
        ("line", "load", "requests", "url"),
        [(line["line"], _load(line["load_percent"]), len(line["requests"]), line["url"]) for line in lines],
    )
    columns = ("device", "unit", "function", "address", "count", "points", "every", "takes ms", "load %")
    for line in lines:
        rows = [
            (
                request["device"],
                request["unit"],
                request["function"],
                f"{request['address']:#06x}",
                request["count"],
                request["points"],
                f"{request['every_s']:g} s",
                f"{request['takes_ms']:.1f}",
                f"{request['load'] * 100:.2f}",
            )
            for request in line["requests"]
        ]
        print_table(f"\nReads on {line['line']}", columns, rows, right=("every", "takes ms", "load %"))


def _show_notes(lines: list[dict[str, Any]], config: SiteConfig) -> None:
    """Print what leaves little room, on a line or at a gateway."""
    for line in lines:
        if HIGH * 100 < line["load_percent"] <= FULL * 100:
            print_text(f"{line['line']}: little room is left for time-outs and repeats: {_remedy(line)}", "  ")
    for host, count in crowded_hosts(config.lines).items():
        print_text(f"{count} lines connect to {host}: look up how many connections it accepts at once", "  ")


def _remedy(line: dict[str, Any]) -> str:
    every_s = line["fitting_every_s"]
    return f'poll its devices no more often than every = "{every_s:g}s"' if every_s else "take devices off it"


def _load(percent: float) -> str:
    if percent > FULL * 100:
        return f"{percent:.1f} % too high"
    return f"{percent:.1f} % high" if percent > HIGH * 100 else f"{percent:.1f} %"


def _show_accounts(accounts: list[dict[str, Any]]) -> None:
    columns = ("account", "carrier", "from", "unit")
    rows = [
        (account["account"], _flow(account) if account["carrier"] else "(output)", account["from"], account["unit"])
        for account in accounts
    ]
    print_table("\nAccounts", columns, rows)
    unrated = [
        account["account"]
        for account in accounts
        if account["rated_power_kw"] is None and account.get("physical_kwh_per_unit")
    ]
    if unrated:
        named = ", ".join(unrated[:_NAMED]) + (f" and {len(unrated) - _NAMED} more" if len(unrated) > _NAMED else "")
        print_text(f"without rated_power a wrong scale or word order may be booked: {named}", "  ")


def _show_balances(balances: list[dict[str, Any]]) -> None:
    """Print what each level of the plant is held against."""
    for position, each in enumerate(balances):
        print_text(f"{'' if position else chr(10) + 'Balances' + chr(10)}{each['balance']}, in {each['unit']}")
        print_text(f"in:      {_formula(each['in'])}", "  ")
        print_text(f"metered: {_formula(each['metered']) or 'nothing behind'}", "  ")


def _formula(signed: list[str]) -> str:
    return " ".join(f"{each[0]} {each[1:]}" for each in signed).removeprefix("+ ")


def _show_alarms(alarms: list[dict[str, Any]]) -> None:
    """Print what is watched beside the loss of devices."""
    rows = [
        (
            alarm["alarm"],
            alarm["place"],
            alarm["of"],
            " ".join(f"{word} {alarm[word]:g}" for word in ("above", "below") if alarm[word] is not None),
            f"{alarm['for_s']:g} s",
            alarm["severity"],
            "built in" if alarm["built_in"] else "",
        )
        for alarm in alarms
    ]
    if rows:
        print_table("\nAlarms", ("alarm", "place", "of", "limit", "for", "severity", ""), rows, right=("for",))


def _flow(account: dict[str, Any]) -> str:
    """Return a carrier and where it goes, unless it comes in."""
    direction = account["direction"]
    return account["carrier"] if direction == "import" else f"{account['carrier']}, {direction}"


def _show_factors(accounts: list[dict[str, Any]], now: datetime) -> None:
    """Print which factor each carrier is weighed with, and what stands in place of what was asked for."""
    weighed = {(_flow(account), account["unit"]): account for account in accounts if account["carrier"]}
    rows = [
        (
            carrier,
            unit,
            "" if weight["co2_kg_per_unit"] is None else f"{weight['co2_kg_per_unit']:.4f}",
            "?" if weight["unverified"] else "",
            f"{weight['factor']['set']}: {weight['factor']['id']}",
        )
        for (carrier, unit), weight in weighed.items()
    ]
    print_table(f"\nFactors on {now:%Y-%m-%d}", ("carrier", "per", "kg CO2", "", "set and id"), rows, right=("kg CO2",))
    for (carrier, _), weight in weighed.items():
        if weight["factor"]["note"]:
            print_text(f"{carrier}: {weight['factor']['note']}", "  ")
    if any(weight["unverified"] for weight in weighed.values()):
        print_text("? a factor behind it was not checked against its source", "  ")
