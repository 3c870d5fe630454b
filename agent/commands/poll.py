"""One poll of one device, with the registers, frames and times behind every value."""

import time
from collections.abc import Sequence
from typing import Any

from agent.commands.bench import told
from drivers.codec import Codec
from drivers.errors import BadReply, LineDown, LineError, NoReply, Refused
from drivers.frame import Frame
from drivers.hint import likely_cause
from drivers.line import Line
from drivers.plan import plan
from drivers.point import Point
from drivers.profile import Profile
from drivers.reading import Block, Exchange, Quality
from drivers.value import frozen

_BIT_FUNCTIONS = (1, 2)

Answer = dict[str, Any]
"""What a poll gave, as it is printed as JSON."""


@frozen
class Target:
    """A device to poll, and the line it stands on."""

    device: str
    line: str
    url: str
    unit: int
    profile: Profile
    every_s: float


async def poll(target: Target, line: Line) -> Answer:
    """Read one device once; LineErrors become part of the answer, which has no points when nothing came."""
    planned = plan(target.profile, every_s=target.every_s)
    started = time.monotonic()
    results, requests = await _read(line, target.unit, [entry.block for entry in planned])
    points = []
    if any(not isinstance(result, LineError) or result.exchange for result in results.values()):
        points = _points(target.profile, Codec(target.profile, planned).decode(target.device, results), results)
    return {
        "device": target.device,
        "line": target.line,
        "url": target.url,
        "unit": target.unit,
        "profile": target.profile.name,
        "took_ms": round((time.monotonic() - started) * 1000, 2),
        "requests": requests,
        "points": points,
    }


def silent(answer: Answer) -> bool:
    """Whether a poll gave nothing at all."""
    return all(request["error"] for request in answer["requests"])


async def _read(
    line: Line, unit: int, blocks: Sequence[Block]
) -> tuple[dict[Block, Exchange | LineError], list[dict[str, Any]]]:
    """Read blocks until one meets silence; return what came, and of each request how long it took."""
    results: dict[Block, Exchange | LineError] = {}
    requests = []
    refused: set[int] = set()
    for block in blocks:
        before = time.monotonic()
        error = None
        try:
            results[block] = await line.read(unit, block)
        except LineError as failure:
            results[block] = failure
            # Advice on an exception is given once, not for every block that meets it.
            known = isinstance(failure, Refused) and failure.code in refused
            error = str(failure) if known else _explained(failure, line)
            refused |= {failure.code} if isinstance(failure, Refused) else set()
        took_ms = round((time.monotonic() - before) * 1000, 2)
        requests.append(_request(block, results[block], took_ms, error))
        if isinstance(results[block], LineDown | NoReply):
            return results | dict.fromkeys(blocks[len(results) :], results[block]), requests
    return results, requests


def _explained(failure: LineError, line: Line) -> str:
    """Return what went wrong and what to do; on a serial line, what its bytes look like says more than a list."""
    hint = likely_cause(line.evidence) if line.endpoint.serial and isinstance(failure, NoReply | BadReply) else None
    text = told(failure).removeprefix(f"{line.name}: ")
    return f"{text.partition(': check ')[0]}: {hint.text}" if hint else text


def _request(block: Block, result: Exchange | LineError, took_ms: float, error: str | None) -> dict[str, Any]:
    exchange = result.exchange if isinstance(result, LineError) else result
    return {
        "function": block.function,
        "address": block.address,
        "count": block.count,
        "ms": took_ms,
        "sent": exchange.request.hex(" ") if exchange else "",
        "received": exchange.reply.hex(" ") if exchange else "",
        "reply_ms": round((exchange.received_ns - exchange.sent_ns) / 1e6, 2) if exchange and exchange.reply else None,
        "error": error,
    }


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
