"""`energy-agent read`: one poll now, shown with its registers."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.table import print_table, print_text
from agent.config import SiteConfig, load_config
from agent.sections import DeviceSection
from drivers.codec import Codec
from drivers.document import nearest
from drivers.errors import LineDown, LineError, NoReply
from drivers.line import Line
from drivers.plan import plan
from drivers.point import Point
from drivers.profile import Profile
from drivers.reading import Block, Exchange, Frame, Quality

_BIT_FUNCTIONS = (1, 2)
_UNIT_OF_NOTHING = ("1", "bool", "text")


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
    """Read one device once; LineErrors become part of the answer, which has no points when nothing came."""
    section = next(line for line in config.lines if line.name == device.line)
    profile = config.profiles[device.name]
    planned = plan(profile, every_s=device.every)
    line = Line(section.name, section.endpoint, timeout_s=section.timeout, pause_s=section.pause_s)
    started = time.monotonic()
    try:
        results, requests = await _read(line, device.unit, [entry.block for entry in planned])
    finally:
        await line.close()
    points = []
    if any(not isinstance(result, LineError) or result.exchange for result in results.values()):
        points = _points(profile, Codec(profile, planned).decode(device.name, results), results)
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


async def _read(
    line: Line, unit: int, blocks: Sequence[Block]
) -> tuple[dict[Block, Exchange | LineError], list[dict[str, Any]]]:
    """Read blocks until one meets silence; return what came, and of each request how long it took."""
    results: dict[Block, Exchange | LineError] = {}
    requests = []
    for block in blocks:
        before = time.monotonic()
        error = None
        try:
            results[block] = await line.read(unit, block)
        except LineError as failure:
            results[block] = failure
            error = str(failure)
        took_ms = round((time.monotonic() - before) * 1000, 2)
        requests.append(
            {
                "function": block.function,
                "address": block.address,
                "count": block.count,
                "ms": took_ms,
                "error": error,
            }
        )
        if isinstance(results[block], LineDown | NoReply):
            return results | dict.fromkeys(blocks[len(results) :], results[block]), requests
    return results, requests


def _points(profile: Profile, frame: Frame, results: dict[Block, Exchange | LineError]) -> list[dict[str, Any]]:
    return [
        {
            "quantity": point.name,
            "registers": _registers(point, results),
            "bit": point.bit,
            "value": float(frame.values[index])
            if frame.quality[index] < Quality.COMM_LOST
            else frame.texts.get(point.name),
            "unit": point.quantity.unit.symbol if point.quantity else "",
            "quality": Quality(int(frame.quality[index])).label,
        }
        for index, point in enumerate(profile.points)
    ]


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
    silent = [answer for answer in answers if all(request["error"] for request in answer["requests"])]
    if as_json:
        print_json(answers)
    else:
        for number, answer in enumerate(answer for answer in answers if answer not in silent):
            if number:
                print_text("")
            _show(answer)
    for answer in answers:
        _say_errors(answer)
    return Exit.UNREACHABLE if silent else Exit.DONE


def _say_errors(answer: dict[str, Any]) -> None:
    for request in answer["requests"]:
        if request["error"]:
            say(
                f"{answer['device']} (line {answer['line']}, unit {answer['unit']}), "
                f"function {request['function']} address {request['address']:#06x} "
                f"count {request['count']}: {request['error']}"
            )


def _show(answer: dict[str, Any]) -> None:
    """Print the points a device is read for; those that only scale others stay out."""
    print_text(f"{answer['device']}: {answer['profile']}, {answer['url']} unit {answer['unit']}")
    rows = [
        (
            point["quantity"],
            point["registers"] + (f" bit {point['bit']}" if point["registers"] and point["bit"] is not None else ""),
            point["value"],
            "" if point["unit"] in _UNIT_OF_NOTHING else point["unit"],
            point["quality"],
        )
        for point in answer["points"]
        if not point["quantity"].startswith("_")
    ]
    print_table("", ("quantity", "registers", "value", "unit", "quality"), rows, right=("value",))
    requests = [
        f"{request['address']:#06x}+{request['count']} {request['ms']:.1f} ms" for request in answer["requests"]
    ]
    print_text(f"took {answer['took_ms']:.1f} ms: {', '.join(requests)}")
