"""The live view: the agent's state as a page of tables for a terminal, or as a few lines for a log.

The page fits the terminal it is shown on: where it is narrow the shortest spans and then the last closed intervals are
left out, where it is low the blank lines. A page that is higher than its terminal could not be refreshed in place.
"""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from agent.counted import counted
from drivers.value import frozen

State = Mapping[str, Any]
Windows = Sequence[Mapping[str, Any]]

_STATE_STYLE = {"online": "green", "degraded": "yellow", "offline": "bold red"}
_KEY_FIGURES = {
    "boiler": (("gas_flow_nm3_h", ".1f", "Nm³/h gas"), ("steam_flow_t_h", ".2f", "t/h steam"),
               ("stack_oxygen_percent", ".2f", "% O₂")),
    "motor-drive": (("active_power_kw", ".2f", "kW"), ("speed_rpm", ",.0f", "rpm"), ("current_a", ".2f", "A")),
    "electricity-meter": (("active_power_kw", ".2f", "kW"), ("power_factor", ".3f", "PF"),
                          ("frequency_hz", ".2f", "Hz")),
}  # fmt: skip
_NO_FIGURES = ("", "", "")
_POWER_SPAN = "1min"
"""Span of the mean power: over a shorter one, the coarse counters of small machines show their steps, not power."""

_LONGEST_QUALITY = len("incomplete")

_INDENT = " " * 9
_WIDTH = 80

_UNBOUND = 1000
"""Columns of characters in which every table shows its own width."""


def _table(first: str, *columns: str) -> Table:
    """Return an empty table: what a row is about stands left, its figures right."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column(first, no_wrap=True, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _figure(value: float | None, mark: str = "") -> str:
    """Return a figure with about four digits, or a dash where there is none."""
    if value is None:
        return "-"
    decimals = sum(abs(value) < limit for limit in (10, 100, 1000))
    return f"{mark}{value:,.{decimals}f}"


def _percent(share: float) -> str:
    return f"{share * 100:.0f}"


def _devices(state: State) -> Table:
    table = _table("Device", "state", *_NO_FIGURES, "polls", "missed")
    for column in table.columns[1:5]:
        column.justify = "left"
    table.columns[1].min_width = len("offline")
    for device in state["devices"]:
        values = device.get("values", {})
        figures = [
            f"{values[key]:>5{form}} {unit}" if key in values else ""
            for key, form, unit in _KEY_FIGURES.get(device["kind"], ())
        ]
        condition = Text(device["state"], style=_STATE_STYLE.get(device["state"], ""))
        table.add_row(
            device["device"], condition, *(figures or _NO_FIGURES), str(device["polls"]), str(device["failures"])
        )
    return table


def _accounts(windows: Windows, spans: Sequence[str], closed: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the rolling figures of the spans, and the last closed interval of each account where there is one."""
    heads = [f"{span}\n{figure}" for span in spans for figure in ("kWh", "kg CO₂", "cov %")]
    if closed:
        heads += [f"closed\n{figure}" for figure in ("kWh", "kg CO₂", "quality")]
    table = _table("cov: share measured\nAccount (~ estimated)", f"{_POWER_SPAN}\nmean kW", *heads)
    for column in table.columns[1:]:
        column.min_width = len("kg CO₂")
    if closed:
        table.columns[-1].justify = "left"
        table.columns[-1].min_width = _LONGEST_QUALITY
    for account in dict.fromkeys(entry["account"] for entry in windows if "account" in entry):
        of = {entry["span"]: entry for entry in windows if entry.get("account") == account}
        row = [account, _figure(of.get(_POWER_SPAN, {}).get("mean_power_kw"))]
        for span in spans:
            mark = "~" if of[span]["estimated"] else ""
            row += [_figure(of[span].get(key), mark) for key in ("energy_kwh", "co2_kg")]
            row.append(_percent(of[span]["coverage"]))
        if closed:
            row += _last_interval(closed.get(account))
        table.add_row(*row)
    return table


def _last_interval(interval: Mapping[str, Any] | None) -> Sequence[str]:
    """Return energy, emission and quality of a closed interval; of a quality that is not good, the reason."""
    if interval is None:
        return _NO_FIGURES
    mark = "~" if interval["estimated"] else ""
    figures = [_figure(interval.get(key), mark) for key in ("energy_kwh", "co2_kg")]
    return [*figures, interval["quality"].rpartition(":")[2]]


def _intensities(windows: Windows, spans: Sequence[str]) -> Table:
    table = _table("Intensity", "span", "made", "energy", "standard coal", "CO₂", "cov %")
    for entry in windows:
        if "intensity" not in entry or entry["span"] not in spans:
            continue
        unit = entry["output_unit"]
        per = [
            f"{_figure(entry.get(f'{key}_per_{unit.lower()}'))} {symbol}/{unit}"
            for key, symbol in (("energy_kwh", "kWh"), ("kgce", "kgce"), ("co2_kg", "kg"))
        ]
        made = f"{_figure(entry['output_amount'])} {unit}"
        table.add_row(entry["intensity"], entry["span"], made, *per, _percent(entry["coverage"]))
    return table


def _link(sink: Mapping[str, Any]) -> tuple[str, str]:
    """Return how a sink's link is, and the style to say it in."""
    if sink["connected"]:
        return "connected", "green"
    return (f"no link: {sink['last_error']}", "bold red") if sink["last_error"] else ("connecting", "yellow")


def _delivery(state: State, news: str) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for sink in state["sinks"]:
        figures = f"{sink['acknowledged']:,} delivered   {sink['pending']:,} waiting   "
        table.add_row(sink["sink"], Text(figures).append(*_link(sink)))
    records, store = state["records"], state["store"]
    revised = sum(state["intervals_revised"].values())
    intervals = counted(sum(state["intervals_closed"].values()) - revised, "interval", "intervals")
    kept = Text(
        f"{store['bytes'] / 1024:,.0f} KiB   written: {intervals}{_revised_text(revised)}, "
        f"{records['window']:,} windows, {records['telemetry']:,} telemetry"
    )
    if dropped := sum(store["dropped"].values()):
        kept.append(f", {dropped:,} old records dropped", style="yellow")
    table.add_row("store", kept)
    for name, text in _alarms(state):
        table.add_row("alarm", Text(f"{name}: {text}", style="bold red"))
    if news:
        table.add_row("now", Text(news, style="yellow"))
    return table


def _alarms(state: State) -> list[tuple[str, str]]:
    """Return name and text of the longest alarm of each name: the others repeat it for other devices."""
    texts: dict[str, list[str]] = {}
    for alarm in state["alarms"]:
        texts.setdefault(alarm["name"], []).append(alarm["text"])
    return [
        (name, first if not others else f"{first}; and {len(others)} more") for name, (first, *others) in texts.items()
    ]


def _title(state: State) -> Text:
    process = state["process"]
    return Text.assemble(
        ("energy-agent ", "bold"),
        f"{state['version']}   site {state['site']}   up {state['uptime_s']:,.0f} s   "
        f"{process['cpu_s']:.1f} s of CPU   {process['resident_bytes'] / 2**20:.0f} MiB",
    )


@frozen
class Page:
    """What there is to show; how much of it depends on the terminal."""

    state: State
    windows: Windows
    news: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render what fits, line by line, with as many blank lines between the parts as there is room for."""
        parts = [console.render_lines(part, options, pad=False) for part in self._parts(console, options)]
        room = max(0, options.max_height - sum(map(len, parts)))
        for part in parts[1 : room + 1]:
            part.insert(0, [])
        lines = [line for part in parts for line in part]
        for line in lines[: options.max_height]:
            yield from line
            yield Segment.line()

    def _parts(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        yield _title(self.state)
        yield _devices(self.state)
        spans = list(dict.fromkeys(entry["span"] for entry in self.windows))
        if spans:
            spans, accounts = self._fitting(console, options, spans)
            yield accounts
            yield _intensities(self.windows, spans)
        yield _delivery(self.state, self.news)

    def _fitting(self, console: Console, options: ConsoleOptions, spans: list[str]) -> tuple[list[str], Table]:
        """Return the table of accounts that fits and its spans: two come before the last intervals, a third after."""
        closed = {entry["account"]: entry["interval"] for entry in self.state["accounts"] if "interval" in entry}
        shorter = [spans[start:] for start in range(len(spans))]
        choices = [(kept, closed) for kept in shorter if closed and len(kept) >= min(2, len(spans))]
        for kept, intervals in [*choices, *((kept, {}) for kept in shorter)]:
            table = _accounts(self.windows, kept, intervals)
            if Measurement.get(console, options.update_width(_UNBOUND), table).maximum <= options.max_width:
                break
        return kept, table


def page(state: State, windows: Windows, news: str) -> Page:
    """Return the whole page."""
    return Page(state, windows, news)


def lines(state: State, windows: Windows, news: str) -> str:
    """Return the state in a few lines of at most 80 columns, for outputs that are no terminal."""
    online = sum(device["state"] == "online" for device in state["devices"])
    minute = [entry for entry in windows if "account" in entry and entry["span"] == _POWER_SPAN]
    energy = sum(entry.get("energy_kwh", 0.0) for entry in minute if entry["account"].startswith("main-meter"))
    gas = sum(entry.get("amount", 0.0) for entry in minute if entry["account"].endswith("natural_gas"))
    # The motors' electricity has come through the main meter.
    co2 = sum(entry.get("co2_kg", 0.0) for entry in minute if not entry["account"].startswith("motor"))
    found = [
        f"{state['uptime_s']:5.0f} s  {online}/{len(state['devices'])} devices online",
        f"last minute: {energy:.3f} kWh bought, {gas:.3f} Nm3 gas, {co2:.3f} kg CO2",
        *(
            f"{sink['sink']}: {sink['acknowledged']:,} delivered, {sink['pending']:,} waiting, {_link(sink)[0]}"
            for sink in state["sinks"]
        ),
        *(f"alarm {name}: {text}" for name, text in _alarms(state)),
    ]
    if news:
        found.append(f"now: {news}")
    first, *others = found
    filled = (fill(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT) for text in others)
    return "\n".join([first, *filled])


def metered(state: State) -> list[Mapping[str, Any]]:
    """Return the accounts of energy that comes in, without what is made of it."""
    return [account for account in state["accounts"] if account["carrier"]]


def summary(state: State) -> str:
    """Return what was measured and delivered, in lines of at most 80 columns."""
    records, process = state["records"], state["process"]
    delivered = sum(sink["acknowledged"] for sink in state["sinks"])
    waiting = sum(sink["pending"] for sink in state["sinks"])
    accounts = metered(state)
    counts = (
        f"{records['telemetry']:,} telemetry, {records['window']:,} window, {records['interval']:,} interval records"
    )
    polls = counted(records["frames"], "poll", "polls")
    values = counted(records["values"], "value", "values")
    memory = process["resident_bytes"] / 2**20
    longest = max((len(account["account"]) for account in accounts), default=0)
    return "\n".join(
        [
            f"after {state['uptime_s']:.0f} s: {polls} gave {values}",
            f"  {counts}",
            f"  {counted(delivered, 'message', 'messages')} accepted by the broker, {waiting:,} waiting",
            *(
                f"  {account['account']:{longest}} {account['amount']:12.4f} {account['unit']:4} "
                f"intervals closed: {_closed_text(state, account['account'])}"
                for account in accounts
            ),
            f"  the agent used {process['cpu_s']:.2f} s of CPU and {memory:.1f} MiB of memory",
        ]
    )


def closed(state: State, account: str) -> int:
    """Return how many intervals of an account were closed; a revision is of one that was closed before."""
    records: int = state["intervals_closed"].get(account, 0)
    return records - _revised(state, account)


def _revised(state: State, account: str) -> int:
    number: int = state["intervals_revised"].get(account, 0)
    return number


def _closed_text(state: State, account: str) -> str:
    return f"{closed(state, account):,}{_revised_text(_revised(state, account))}"


def _revised_text(revised: int) -> str:
    return f" ({revised:,} revised)" if revised else ""
