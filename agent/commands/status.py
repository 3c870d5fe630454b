"""`energy-agent status`: what the running agent says of itself."""

import http.client
import json
from pathlib import Path
from typing import Any

import orjson

from agent.commands.outcome import CommandError, Exit, print_json, print_table, print_text
from agent.config import SiteConfig, load_config

_TIMEOUT_S = 5.0
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
        raise CommandError(
            f"no agent answers at {config.http.listen} ({error}): is it running? try 'systemctl status energy-agent'",
            Exit.UNREACHABLE,
        ) from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise CommandError(f"{config.http.listen} answers {answer.status}: {found}", Exit.UNREACHABLE)
    return found


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(f"[http] token_file {path}: {reason}: check path and rights") from error


def status(path: Path, *, as_json: bool) -> Exit:
    """Print lines, devices, accounts, sinks and store of the running agent."""
    config = load_config(path)
    state = fetch(config, "/api/v1/state")
    if as_json:
        print_json(state)
        return Exit.NO if state["alarms"] else Exit.DONE
    process = state["process"]
    print_text(
        f"{state['site']}: energy-agent {state['version']}, up {state['uptime_s']:,.0f} s, "
        f"{process['resident_bytes'] / 2**20:.1f} MiB, {process['cpu_s']:.1f} s CPU, "
        f"clock {_CLOCK[state['clock_synchronised']]}"
    )
    print_table(
        "Lines",
        ("line", "url", "up", "load", "requests", "replies", "time-outs", "late p99 ms"),
        [
            (
                line["line"],
                line["url"],
                "yes" if line["up"] else f"no: {line['reason']}",
                f"{line['utilisation'] * 100:.1f} %",
                line["requests"],
                line["replies"],
                line["timeouts"],
                line["lateness_p99_ms"],
            )
            for line in state["lines"]
        ],
    )
    print_table(
        "Devices",
        ("device", "area", "line", "unit", "state", "polls", "failures", "skipped", "reason"),
        [
            (
                device["device"],
                device["area"],
                device["line"],
                device["unit"],
                device["state"],
                device["polls"],
                device["failures"],
                device["skipped"],
                device["reason"],
            )
            for device in state["devices"]
        ],
    )
    print_table(
        "Accounts",
        ("account", "amount", "unit", "last reading"),
        [
            (account["account"], account["amount"], account["unit"], account.get("time"))
            for account in state["accounts"]
        ],
    )
    _show_delivery(state)
    for alarm in state["alarms"]:
        print_text(f"alarm {alarm['key']} {alarm['name']} since {alarm['since']}: {alarm['text']}")
    return Exit.NO if state["alarms"] else Exit.DONE


def _show_delivery(state: dict[str, Any]) -> None:
    sinks = state["sinks"]
    if sinks:
        columns = tuple(sinks[0])
        print_table("Sinks", columns, [tuple(sink.get(column) for column in columns) for sink in sinks])
    flat = {key: value for key, value in state["store"].items() if not isinstance(value, dict | list)}
    nested = {key: orjson.dumps(value).decode() for key, value in state["store"].items() if key not in flat}
    print_table("Store", ("figure", "value"), [*flat.items(), *nested.items()])
