"""What the store costs: a record appended and committed, and one delivered."""

import asyncio
import tempfile
import time
from pathlib import Path

from agent.store import Store

_RECORDS = 20_000
_BATCH = 500
_NOW_NS = 1_790_000_000_000_000_000
_BODY = {
    "schema": "energy-agent/telemetry/1",
    "site": "bench",
    "area": "hall",
    "device": "meter-1",
    "time": "2026-09-21T13:33:20.000000Z",
    "values": {f"quantity_{number}_kw": number / 7 for number in range(40)},
}


async def _measured(path: Path) -> dict[str, float]:
    store = Store(path, max_size=1 << 30, commit_every_s=1.0, sinks=["bench"])
    await store.open()
    try:
        began = time.perf_counter()
        for number in range(_RECORDS):
            store.append("telemetry", "hall/meter-1", _NOW_NS + number, _BODY)
        appended_s = time.perf_counter() - began
        await store.flush()
        committed_s = time.perf_counter() - began
        size = len(store.append("telemetry", "hall/meter-1", _NOW_NS, _BODY).payload)
        await store.flush()
        began = time.perf_counter()
        while batch := await store.peek("bench", _BATCH):
            await store.acknowledge("bench", batch[-1].seq)
        drained_s = time.perf_counter() - began
    finally:
        await store.close()
    return {
        "record_bytes": float(size),
        "record_append_us": appended_s / _RECORDS * 1e6,
        "records_committed_per_s": _RECORDS / committed_s,
        "records_drained_per_s": _RECORDS / drained_s,
    }


def figures() -> dict[str, float]:
    """Return every figure of this module by name."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder) / "store.db"))
