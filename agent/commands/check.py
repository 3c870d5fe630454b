"""`energy-agent check`: everything that can be said about a configuration without touching the network."""

from pathlib import Path
from typing import Any

from agent.commands.outcome import Exit, print_json, print_table, say
from agent.config import SiteConfig, load_config
from agent.ledger import COLUMNS
from agent.metering.window import Windows
from agent.plant import build_plant
from agent.sections import LineSection
from drivers.plan import PlannedBlock, plan

_REPLY_S = {True: 0.02, False: 0.005}
"""What a device takes to begin its answer, typically: on a serial line, over TCP [s]."""
_MBAP_BYTES, _REQUEST_PDU, _REPLY_HEAD = 7, 5, 2
_RTU_EXTRA = 3
_FULL = 1.0


def request_s(line: LineSection, block: PlannedBlock) -> float:
    """Return how long one request occupies its line [s]: bytes on the wire, the device's thought, the pause."""
    endpoint = line.endpoint
    framing = _RTU_EXTRA if endpoint.serial else _MBAP_BYTES
    data = block.block.count * 2 if block.block.function >= 3 else (block.block.count + 7) // 8  # noqa: PLR2004 -- 3, 4 registers
    transfer = endpoint.transfer_seconds(_REQUEST_PDU + framing, _REPLY_HEAD + data + framing)
    return transfer + _REPLY_S[endpoint.serial] + line.pause_s


def plan_of(config: SiteConfig) -> list[dict[str, Any]]:
    """Return, per line, its requests and the share of time they take."""
    lines = []
    for line in config.lines:
        requests = [
            {
                "device": device.name,
                "unit": device.unit,
                "function": planned.block.function,
                "address": planned.block.address,
                "count": planned.block.count,
                "points": len(planned.points),
                "every_s": planned.every_s,
                "takes_ms": round(request_s(line, planned) * 1000, 2),
                "load": request_s(line, planned) / planned.every_s,
            }
            for device in config.devices
            if device.line == line.name
            for planned in plan(config.profiles[device.name], every_s=device.every)
        ]
        load = sum(request_load for request in requests if isinstance(request_load := request["load"], float))
        lines.append({"line": line.name, "url": line.url, "load_percent": round(load * 100, 2), "requests": requests})
    return lines


def memory_of(config: SiteConfig) -> dict[str, Any]:
    """Return what the rings will hold."""
    plant = build_plant(config.devices, config.profiles, config.accounts, config.outputs, config.intensities)
    columns = COLUMNS * (len(plant.accounts) + len(plant.outputs))
    windows = Windows(columns, tick_s=config.windows.tick, spans_s=tuple(config.windows.spans_s.values()))
    return {
        "accounts": [account.name for account in plant.accounts],
        "outputs": [output.name for output in plant.outputs],
        "columns": columns,
        "ring_bytes": windows.nbytes,
    }


def check(path: Path, *, as_json: bool) -> Exit:
    """Validate a configuration; raises ConfigError with every problem."""
    config = load_config(path)
    lines, memory = plan_of(config), memory_of(config)
    overloaded = [line for line in lines if line["load_percent"] > _FULL * 100]
    if as_json:
        print_json({"path": str(path), "lines": lines, "memory": memory, "ok": not overloaded})
    else:
        rows = [
            (
                line["line"],
                request["device"],
                request["unit"],
                request["function"],
                f"{request['address']:#06x}",
                request["count"],
                request["points"],
                f"{request['every_s']:g} s",
                request["takes_ms"],
                f"{request['load'] * 100:.2f} %",
            )
            for line in lines
            for request in line["requests"]
        ]
        headings = ("line", "device", "unit", "function", "address", "count", "points", "every", "takes ms", "load")
        print_table("Reads", headings, rows)
        print_table(
            "Lines",
            ("line", "url", "requests", "load"),
            [(line["line"], line["url"], len(line["requests"]), f"{line['load_percent']:.1f} %") for line in lines],
        )
        print_table("Accounts", ("account",), [(name,) for name in (*memory["accounts"], *memory["outputs"])])
        print_table("Memory", ("columns", "rings MiB"), [(memory["columns"], round(memory["ring_bytes"] / 2**20, 2))])
    for line in overloaded:
        place = config.path.name
        say(
            f"{place}: line '{line['line']}' would be busy {line['load_percent']:.0f} % of the time: "
            "poll its devices less often, raise the baud rate, or move some to another line"
        )
    if overloaded:
        return Exit.NO
    if not as_json:
        say(f"{path}: no problems found")
    return Exit.DONE
