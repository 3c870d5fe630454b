"""`energy-agent read`: one poll now, shown with its registers."""

import asyncio
import time
from pathlib import Path
from typing import Any

from agent.commands.outcome import CommandError, Exit, print_json, print_table, say
from agent.config import SiteConfig, load_config
from agent.sections import DeviceSection
from drivers.codec import Codec
from drivers.document import nearest
from drivers.errors import LineError
from drivers.line import Line
from drivers.plan import plan
from drivers.point import Point
from drivers.reading import Block, Exchange, Quality

_BIT_FUNCTIONS = (1, 2)


def _registers(point: Point, results: dict[Block, Exchange | LineError]) -> str:
    """Return what the device sent for a point, in hex, one group a register; a single digit for a bit."""
    for block, result in results.items():
        inside = block.address <= point.address and point.address + point.length <= block.end
        if block.function != point.function or not inside or isinstance(result, LineError):
            continue
        offset = point.address - block.address
        if point.function in _BIT_FUNCTIONS:
            return str(result.data[offset // 8] >> offset % 8 & 1)
        return result.data[2 * offset : 2 * (offset + point.length)].hex(" ", 2)
    return ""


async def _poll(config: SiteConfig, device: DeviceSection) -> dict[str, Any]:
    """Read one device once; LineErrors become part of the answer."""
    section = next(line for line in config.lines if line.name == device.line)
    profile = config.profiles[device.name]
    planned = plan(profile, every_s=device.every)
    line = Line(section.name, section.endpoint, timeout_s=section.timeout, pause_s=section.pause_s)
    results: dict[Block, Exchange | LineError] = {}
    requests = []
    started = time.monotonic()
    try:
        for entry in planned:
            before = time.monotonic()
            try:
                results[entry.block] = await line.read(device.unit, entry.block)
                error = None
            except LineError as failure:
                results[entry.block] = failure
                error = str(failure)
            requests.append(
                {
                    "function": entry.block.function,
                    "address": entry.block.address,
                    "count": entry.block.count,
                    "ms": round((time.monotonic() - before) * 1000, 2),
                    "error": error,
                }
            )
    finally:
        await line.close()
    if all(isinstance(result, LineError) and result.exchange is None for result in results.values()):
        raise CommandError(f"{device.name}: {next(iter(results.values()))}", Exit.UNREACHABLE)
    frame = Codec(profile, planned).decode(device.name, results)
    points = [
        {
            "quantity": point.name,
            "registers": _registers(point, results),
            "value": float(frame.values[index])
            if frame.quality[index] < Quality.COMM_LOST
            else frame.texts.get(point.name),
            "unit": point.quantity.unit.symbol if point.quantity else "",
            "quality": Quality(int(frame.quality[index])).label,
        }
        for index, point in enumerate(profile.points)
    ]
    return {
        "device": device.name,
        "line": section.name,
        "url": section.url,
        "unit": device.unit,
        "profile": profile.name,
        "took_ms": round((time.monotonic() - started) * 1000, 2),
        "requests": requests,
        "points": points,
    }


def read(path: Path, name: str | None, *, as_json: bool) -> Exit:
    """Poll one device, or all, and print what came."""
    config = load_config(path)
    names = [device.name for device in config.devices]
    if name is not None and name not in names:
        raise CommandError(f"{path}: no device '{name}': {nearest(name, names)}")
    chosen = [device for device in config.devices if name in (None, device.name)]

    async def poll_all() -> list[dict[str, Any]]:
        return [await _poll(config, device) for device in chosen]

    answers = asyncio.run(poll_all())
    failed = False
    if as_json:
        print_json(answers)
    for answer in answers:
        if not as_json:
            _show(answer)
        for request in answer["requests"]:
            if request["error"]:
                say(
                    f"{answer['device']} (line {answer['line']}, unit {answer['unit']}), "
                    f"function {request['function']} address {request['address']:#06x} "
                    f"count {request['count']}: {request['error']}"
                )
        failed = failed or all(request["error"] for request in answer["requests"])
    return Exit.UNREACHABLE if failed else Exit.DONE


def _show(answer: dict[str, Any]) -> None:
    title = (
        f"{answer['device']}  {answer['profile']}  {answer['url']} unit {answer['unit']}  {answer['took_ms']:.1f} ms"
    )
    rows = [
        (point["quantity"], point["registers"], point["value"], point["unit"], point["quality"])
        for point in answer["points"]
    ]
    print_table(title, ("quantity", "registers", "value", "unit", "quality"), rows)
