"""What reading costs: the guarded line against a bare pymodbus client, doing the same reads of the same device."""

import asyncio
import contextlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from pymodbus.client import AsyncModbusTcpClient

from drivers.codec import Codec
from drivers.endpoint import parse_endpoint
from drivers.line import Line
from drivers.plan import plan
from drivers.profile_file import load_profile
from tests.soak import rig

_ROUNDS = 21
_POLLS = 50
_PROFILE = "eastron/sdm630"


async def _mean_us(poll: Callable[[], Awaitable[object]]) -> float:
    """Return this process's processor time for one poll [µs]."""
    began = time.process_time_ns()
    for _ in range(_POLLS):
        await poll()
    return (time.process_time_ns() - began) / _POLLS / 1e3


async def _measured(url: str, unit: int) -> dict[str, float]:
    profile = load_profile(_PROFILE)
    planned = plan(profile, every_s=1.0)
    codec = Codec(profile, planned)
    blocks = [entry.block for entry in planned]
    line = Line("bench", parse_endpoint(url), timeout_s=1.0, pause_s=0.0)

    async def bare() -> None:
        for block in blocks:
            answer = await client.read_input_registers(block.address, count=block.count, device_id=unit)
            assert len(answer.registers) == block.count

    async def guarded() -> None:
        for block in blocks:
            await line.read(unit, block)

    async def decoded() -> None:
        codec.decode("meter", {block: await line.read(unit, block) for block in blocks})

    costs: dict[str, list[float]] = {"bare": [], "guarded": [], "decoded": []}
    async with _connected(url) as client:
        for _ in range(_ROUNDS):  # in turns, so that a busy moment of the machine meets all of them
            for name, poll in (("bare", bare), ("guarded", guarded), ("decoded", decoded)):
                costs[name].append(await _mean_us(poll))
    await line.close()
    best = {name: min(found) for name, found in costs.items()}

    def ratio(name: str) -> float:
        return statistics.median(ours / bare for ours, bare in zip(costs[name], costs["bare"], strict=True))

    return {
        "sdm630_requests_per_poll": float(len(blocks)),
        "poll_bare_pymodbus_us": best["bare"],
        "poll_line_us": best["guarded"],
        "poll_line_and_codec_us": best["decoded"],
        "poll_line_to_bare_ratio": ratio("guarded"),
        "poll_line_and_codec_to_bare_ratio": ratio("decoded"),
    }


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncModbusTcpClient]:
    place = urlsplit(url)
    client = AsyncModbusTcpClient(str(place.hostname), port=place.port or 502, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


def figures() -> dict[str, float]:
    """Return every figure of this module by name; the device is served by a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(rig.SIMULATORS), "device", _PROFILE, "--json"]
        with rig.running(command, Path(folder) / "simulators.log", stdout=subprocess.PIPE) as process:
            (device,) = rig.devices_of(process)
            return asyncio.run(_measured(device.url, device.unit))
