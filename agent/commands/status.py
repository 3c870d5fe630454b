"""`energy-agent status`: what the running agent says of itself."""

import http.client
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.phrases import UNVERIFIED, by_clock_of, clock_text, counts_text, marked, marked_energy, span_text
from agent.commands.table import fixed, print_table, print_text
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.counted import counted
from agent.metering.amount import NS_PER_S
from agent.sections.measure import bytes_text
from drivers.regular_file import read_regular

_TIMEOUT_S = 5.0
_LOG = "journalctl -u energy-agent"
_ASTRAY_S = 0.5
_CLOCK = {True: "synchronised", False: "NOT synchronised", None: "in an unknown state"}


def fetch(config: SiteConfig, resource: str) -> Any:
    """Return a resource of the running agent's local API; raise CommandError when it cannot be had."""
    if config.http is None:
        raise CommandError(f"{config.path}: there is no [http] table to ask the agent through: add one")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.http.host, config.http.host)
    headers = {}
    if config.http.token_file:
        headers["Authorization"] = f"Bearer {_token(config.resolve(config.http.token_file))}"
    connection = http.client.HTTPConnection(host, config.http.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", resource, headers=headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CommandError(f"no agent answers at {config.http.listen}: {_why(error)}", Exit.UNREACHABLE) from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        told = found.get("error", found) if isinstance(found, dict) else found
        raise CommandError(f"{config.http.listen} answers {answer.status}: {told}", Exit.UNREACHABLE)
    return found


def _why(error: Exception) -> str:
    """Return why the agent was not reached, and what to do."""
    if isinstance(error, ConnectionRefusedError):
        text = "nothing listens there: start it with 'systemctl start energy-agent', or see with"
        return f"{text} '{_LOG}' why it ended"
    if isinstance(error, TimeoutError):
        return f"not a word came within {_TIMEOUT_S:g} s: see with '{_LOG}' what holds it up"
    if isinstance(error, ConnectionError | http.client.IncompleteRead):
        return "it ended the connection: ask again in a moment"
    if isinstance(error, OSError):
        return f"{error.strerror or error}: check [http] listen"
    return "another program does: give the agent another port in [http] listen"


def _token(path: Path) -> str:
    try:
        return read_regular(path).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(f"[http] token_file {path}: {reason}: check path and rights") from error


def status(path: Path, *, as_json: bool) -> Exit:
    """Print alarms, lines, devices, accounts, sinks and store of the running agent; the answer is no with an alarm."""
    config = load_config(path)
    state = fetch(config, "/api/v1/state")
    if state["site"] != config.site.name:
        raise CommandError(
            f"{config.path}: the agent that answers is that of {state['site']}, not of {config.site.name}: "
            "start this one, with a port of its own in [http] listen",
            Exit.UNREACHABLE,
        )
    if as_json:
        print_json(state)
    else:
        show(state, config, datetime.now(config.site.zone))
    return Exit.NO if state["alarms"] else Exit.DONE


def show(state: dict[str, Any], config: SiteConfig, now: datetime) -> None:
    """Print a state of the local API, with times as the site's clocks show them."""
    zone = config.site.zone
    process = state["process"]
    print_text(
        f"{state['site']}: energy-agent {state['version']}, up {span_text(state['uptime_s'])}, "
        f"{process['resident_bytes'] / 2**20:.1f} MiB, {process['cpu_s']:.1f} s CPU, "
        f"clock {_CLOCK[state['clock_synchronised']]}; times of {zone.key}"
    )
    for alarm in state["alarms"]:
        told = by_clock_of(zone, alarm["text"])
        print_text(f"alarm {alarm['key']} {alarm['name']} since {_when(alarm['since'], now)}: {told}")
    if not state["alarms"]:
        print_text("no alarms")
    _show_clock(state["clock"])
    _show_lines(state["lines"])
    _show_devices(state["devices"], now)
    _show_accounts(state["accounts"], now)
    _show_worked_out(state["worked_out"], now)
    if any(each.get("interval", {}).get("unverified") for each in (*state["accounts"], *state["worked_out"])):
        print_text(UNVERIFIED, "  ")
    _show_sinks(state["sinks"])
    _show_seals(state["audit"], now)
    _show_store(state["store"], config.store.max_size, zone, now)
    _show_capture(state["capture"], config.capture.max_size)


def _show_clock(clock: dict[str, Any]) -> None:
    if not clock["known"]:
        print_text(
            f"the time is not known yet, nothing is recorded: "
            f"{counted(clock['frames_waiting'], 'poll waits', 'polls wait')}, "
            f"{counted(clock['frames_given_up'], 'was', 'were')} not kept"
        )
    elif abs(clock["astray_s"]) >= _ASTRAY_S:
        print_text(f"the machine's clock was set by {clock['astray_s']:+.3f} s, which records do not follow yet")


def _show_lines(lines: Sequence[dict[str, Any]]) -> None:
    columns = ("line", "link", "busy %", "planned %", "requests", "time-outs", "late p99")
    rows = [
        (
            line["line"],
            "up" if line["up"] else "down",
            f"{line['utilisation'] * 100:.1f}",
            f"{line['planned_utilisation'] * 100:.1f}",
            line["requests"],
            line["timeouts"],
            f"{line['lateness_p99_ms']:g} ms",
        )
        for line in lines
    ]
    print_table("\nLines", columns, rows, right=("busy %", "planned %", "late p99"))
    # A URL is one long word, which no column of a table could fold.
    _show_reasons((line["line"], line[key]) for line in lines for key in ("url", "reason"))


def _show_devices(devices: Sequence[dict[str, Any]], now: datetime) -> None:
    columns = ("device", "state", "since", "polls", "failed", "skipped", "line", "area")
    rows = [
        (
            device["device"],
            device["state"],
            _when(device["since"], now),
            device["polls"],
            device["failures"],
            device["skipped"],
            device["line"],
            device["area"],
        )
        for device in devices
    ]
    print_table("\nDevices", columns, rows)
    _show_reasons((device["device"], _told(device)) for device in devices)


def _told(device: dict[str, Any]) -> str:
    """Return what is wrong with a device, and the rest it is given."""
    pause = f"is given {device['pause_ms']} ms between requests" if device["pause_ms"] else ""
    return "; ".join(filter(None, (device["reason"], pause)))


def _show_accounts(accounts: Sequence[dict[str, Any]], now: datetime) -> None:
    closed: list[dict[str, Any]] = [account.get("interval", {}) for account in accounts]
    columns = {
        "account": [account["account"] for account in accounts],
        "booked": [f"{account['amount']:,.3f} {account['unit']}" for account in accounts],
        "read": [_when(account.get("time"), now) for account in accounts],
        "interval": [_when(interval.get("start"), now) for interval in closed],
        "kWh": marked_energy(fixed(each.get("energy_kwh") for each in closed), closed, [a["unit"] for a in accounts]),
        "kg CO2": marked(fixed(interval.get("co2_kg") for interval in closed), closed),
        "cover %": [f"{interval['coverage'] * 100:.1f}" if interval else "" for interval in closed],
    }
    print_table(
        "\nAccounts: booked since the start, and the last closed interval",
        tuple(columns),
        list(zip(*columns.values(), strict=True)),
        right=("booked", "kWh", "kg CO2", "cover %"),
    )


def _show_worked_out(accounts: Sequence[dict[str, Any]], now: datetime) -> None:
    closed: list[dict[str, Any]] = [account["interval"] for account in accounts]
    columns = {
        "account": [account["account"] for account in accounts],
        "interval": [_when(interval["start"], now) for interval in closed],
        "amount": [f"{account['interval']['amount']:,.3f} {account['unit']}" for account in accounts],
        "kg CO2": marked(fixed(interval.get("co2_kg") for interval in closed), closed),
        "rest": fixed(interval.get("rest_amount") for interval in closed),
        "rest %": fixed((interval.get("rest_percent") for interval in closed), decimals=1),
        "disagree": fixed(interval.get("disagreement_amount") for interval in closed),
        "cover %": [f"{interval['coverage'] * 100:.1f}" for interval in closed],
    }
    if accounts:
        title = "\nVirtual accounts and balances: the last closed interval"
        rows = list(zip(*columns.values(), strict=True))
        print_table(title, tuple(columns), rows, right=tuple(columns)[2:])
    _show_reasons(
        (a["account"], f"no word of {', '.join(a['interval'].get('missing', ()))}")
        for a in accounts
        if "missing" in a["interval"]
    )


def _show_sinks(sinks: Sequence[dict[str, Any]]) -> None:
    if sinks:
        columns = ("sink", "delivered", "pending", "MiB", "errors", "refused", "link")
        rows = [
            (
                sink["sink"],
                sink["acknowledged"],
                sink["pending"],
                f"{sink['pending_bytes'] / 2**20:,.1f}",
                sink["errors"],
                sink["rejected"],
                _link(sink),
            )
            for sink in sinks
        ]
        print_table("\nSinks", columns, rows, right=("MiB",))


def _link(sink: dict[str, Any]) -> str:
    if sink["connected"]:
        former = f"; last error: {sink['last_error']}" if sink["last_error"] else ""
        return f"connected for {span_text(sink['connected_s'])}{former}"
    return f"not connected: {sink['last_error']}" if sink["last_error"] else "connecting"


def _show_store(store: dict[str, Any], max_size: int, zone: ZoneInfo, now: datetime) -> None:
    print_text("\nStore")
    share = store["bytes"] / max_size
    print_text(f"size: {store['bytes'] / 2**20:,.1f} MiB, {share * 100:.0f} % of {bytes_text(max_size)}", "  ")
    print_text(f"records: {counts_text(store['records'])}", "  ")
    for name, sink in store["sinks"].items():
        oldest = "none"
        if sink["oldest_ns"] is not None:
            moment = datetime.fromtimestamp(sink["oldest_ns"] // NS_PER_S, zone)
            age_s = max((now - moment).total_seconds(), 0)
            oldest = f"record {sink['oldest_seq']} of {clock_text(moment, now)}, {span_text(age_s)} old"
        aside = f"; refused and set aside: {sink['dead_letters']:,}" if sink["dead_letters"] else ""
        print_text(f"oldest waiting for {name}: {oldest}{aside}", "  ")
    print_text(f"dropped undelivered: {counts_text(store['dropped'])}", "  ")
    for reason, count in store["dropped_for"].items():
        print_text(f"{reason}: {count:,}", "    ")
    for what, key in (("cannot be written", "degraded"), ("a damaged file was set aside", "set_aside")):
        if store[key]:
            print_text(f"{what}: {store[key]}", "  ")


def _show_capture(capture: dict[str, Any], max_size: int) -> None:
    if capture["mode"] == "off":
        return
    print_text("\nCapture")
    share = capture["bytes"] / max_size
    print_text(
        f"{counted(capture['files'], 'file', 'files')}, {capture['bytes'] / 2**20:,.1f} MiB, "
        f"{share * 100:.0f} % of {bytes_text(max_size)}",
        "  ",
    )
    exchanges = counted(capture["exchanges"], "exchange", "exchanges")
    print_text(f"captured since the start: {exchanges}; not captured: {capture['dropped']:,}", "  ")
    if capture["trouble"]:
        print_text(capture["trouble"], "  ")


def _show_seals(audit: dict[str, Any], now: datetime) -> None:
    print_text("\nSeals")
    print_text(f"public key: {audit['public_key'] or 'none yet'}", "  ")
    if audit["sealed"]:
        print_text(f"last seal: {_when(audit['sealed'], now)}, over records up to {audit['to_seq']}", "  ")


def _show_reasons(reasons: Iterable[tuple[str, str]]) -> None:
    for name, reason in reasons:
        if reason:
            print_text(f"{name}: {reason}", "  ")


def _when(text: str | None, now: datetime) -> str:
    """Return a time of a message as a clock of the site shows it, "" for none."""
    return clock_text(datetime.fromisoformat(text).astimezone(now.tzinfo), now) if text else ""
