"""How much of a serial line's time is used: reads at full speed, on a pseudo-terminal that keeps the baud rate."""

import asyncio
import statistics
import subprocess
import sys
import time

from drivers.endpoint import parse_endpoint
from drivers.line import Line
from drivers.plan import plan
from drivers.profile_file import load_profile

_PROFILE = "eastron/sdm630"
_TIMEOUT_S = 0.5
_ROUNDS = {9600: 3, 115200: 25}


async def _shares(path: str, baud: int) -> list[float]:
    """Return of each poll which share of its time frames and the silences between them must take."""
    endpoint = parse_endpoint(f"rtu://{path}?baud={baud}")
    blocks = [entry.block for entry in plan(load_profile(_PROFILE), every_s=1.0)]
    due_s = sum(endpoint.transfer_seconds(8, 5 + 2 * block.count) for block in blocks)
    line = Line("paced", endpoint, timeout_s=_TIMEOUT_S, pause_s=0)
    shares = []
    try:
        await line.read(1, blocks[0])
        for _ in range(_ROUNDS[baud]):
            began = time.monotonic()
            for block in blocks:
                await line.read(1, block)
            shares.append(due_s / (time.monotonic() - began))
    finally:
        await line.close()
    return shares


def _use_percent(baud: int) -> float:
    command = [sys.executable, "-m", "tests.bench.paced_port", str(baud)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as device:
        assert device.stdin is not None
        assert device.stdout is not None
        shares = asyncio.run(_shares(device.stdout.readline().strip(), baud))
        hasty = int(device.communicate("\n", timeout=10)[0])
    assert hasty == 0, f"{hasty} requests came before the line had been silent for long enough"
    return 100 * statistics.median(shares)


def figures() -> dict[str, float]:
    """Return every figure of this module by name."""
    return {f"line_use_{baud}_baud_percent": _use_percent(baud) for baud in _ROUNDS}
