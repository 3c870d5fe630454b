"""The live view: the agent's state as a page of tables for a terminal, or as one line for a log."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_STATE_STYLE = {"online": "green", "degraded": "yellow", "offline": "bold red"}
_KEY_FIGURES = {
    "boiler": (("gas_flow_nm3_h", "Nm³/h gas"), ("steam_flow_t_h", "t/h steam"), ("stack_oxygen_percent", "% O₂")),
    "motor-drive": (("active_power_kw", "kW"), ("speed_rpm", "rpm"), ("current_a", "A")),
    "electricity-meter": (("active_power_kw", "kW"), ("power_factor", "PF"), ("frequency_hz", "Hz")),
}

State = Mapping[str, Any]
Windows = Sequence[Mapping[str, Any]]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _devices(state: State) -> Table:
    table = _table("Devices", "device", "state", "key figures", "polls", "missed")
    table.columns[2].justify = "left"
    for device in state["devices"]:
        values = device.get("values", {})
        figures = "  ".join(
            f"{values[key]:,.4g} {unit}" for key, unit in _KEY_FIGURES.get(device["kind"], ()) if key in values
        )
        condition = Text(device["state"], style=_STATE_STYLE.get(device["state"], ""))
        table.add_row(device["device"], condition, figures, str(device["polls"]), str(device["failures"]))
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.3f}"


def _windows(windows: Windows, spans: Sequence[str]) -> Table:
    table = _table("Rolling energy and CO₂", "account", "mean kW", *(f"kWh {s}" for s in spans),
                   *(f"kgCO₂ {s}" for s in spans), "coverage")  # fmt: skip
    accounts = dict.fromkeys(entry["account"] for entry in windows if "account" in entry)
    for account in accounts:
        of = {entry["span"]: entry for entry in windows if entry.get("account") == account}
        last = of[spans[-1]]
        table.add_row(
            account,
            _figure(of[spans[0]].get("mean_power_kw")),
            *(_figure(of[span].get("energy_kwh")) for span in spans),
            *(_figure(of[span].get("co2_kg")) for span in spans),
            f"{of[spans[0]]['coverage'] * 100:.0f} % / {last['coverage'] * 100:.0f} %",
        )
    return table


def _intensities(windows: Windows) -> Table:
    table = _table("Intensity", "intensity", "span", "made", "kWh per unit", "kgce per unit", "kgCO₂ per unit")
    for entry in windows:
        if "intensity" not in entry:
            continue
        unit = entry["output_unit"]
        per = unit.lower()
        table.add_row(
            entry["intensity"],
            entry["span"],
            f"{entry['output_amount']:.4f} {unit}",
            *(_figure(entry.get(f"{key}_per_{per}")) for key in ("energy_kwh", "kgce", "co2_kg")),
        )
    return table


def _delivery(state: State) -> Text:
    text = Text()
    for sink in state["sinks"]:
        style = "green" if sink["connected"] else "bold red"
        text.append(f"{sink['sink']} ", style="bold").append(
            "connected" if sink["connected"] else "no link", style=style
        )
        text.append(f"  {sink['acknowledged']:,} delivered, {sink['pending']:,} waiting    ")
    text.append("store ", style="bold").append(f"{state['store']['bytes'] / 1024:,.0f} KiB")
    records = state["records"]
    text.append(f"    intervals {records['interval']}  windows {records['window']}  telemetry {records['telemetry']}")
    for alarm in state["alarms"]:
        text.append(f"\nalarm {alarm['name']} {alarm['text']}", style="bold red")
    return text


def page(state: State, windows: Windows, news: str) -> Group:
    """Return the whole page."""
    process = state["process"]
    title = Text.assemble(
        ("energy-agent ", "bold"),
        f"{state['version']}   site {state['site']}   up {state['uptime_s']:,.0f} s   "
        f"{process['resident_bytes'] / 2**20:.0f} MiB   {process['cpu_s'] / state['uptime_s'] * 100:.1f} % of a core",
    )
    parts: list[Any] = [title, _devices(state)]
    spans = list(dict.fromkeys(entry["span"] for entry in windows))
    if spans:
        parts += [_windows(windows, spans), _intensities(windows)]
    parts.append(_delivery(state))
    if news:
        parts.append(Panel(news, border_style="yellow", expand=False))
    return Group(*(piece for part in parts for piece in (part, "")))


def line(state: State, windows: Windows) -> str:
    """Return the state as one line, for outputs that are no terminal."""
    online = sum(device["state"] == "online" for device in state["devices"])
    minute = [entry for entry in windows if "account" in entry and entry["span"] == "1min"]
    energy = sum(entry.get("energy_kwh", 0.0) for entry in minute if entry["account"].startswith("main-meter"))
    gas = sum(entry.get("amount", 0.0) for entry in minute if entry["account"].endswith("natural_gas"))
    co2 = sum(entry.get("co2_kg", 0.0) for entry in minute if not entry["account"].startswith("motor"))
    sinks = ", ".join(
        f"{sink['sink']} {'up' if sink['connected'] else 'DOWN'} "
        f"{sink['acknowledged']} delivered {sink['pending']} waiting"
        for sink in state["sinks"]
    )
    return (
        f"{state['uptime_s']:5.0f} s  {online}/{len(state['devices'])} devices online  last minute: "
        f"{energy:.3f} kWh bought, {gas:.3f} Nm3 gas, {co2:.3f} kg CO2  {sinks}"
    )
