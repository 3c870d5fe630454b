"""Appends to a store under load until it is killed; prints what was committed. Run by test_store_crash.py."""

import asyncio
import sys
import time
from pathlib import Path

from agent.store import Store


async def main(path: Path) -> None:
    store = Store(path, max_size=256 << 20, commit_every_s=0.005, sinks=("mqtt",))
    await store.open()
    booked = int(store.load_state("booked") or b"0")
    print("open", store.epoch, store.last_seq, booked, flush=True)  # noqa: T201  # the test reads it
    pulse = 0
    while True:
        for _ in range(20):
            store.append("telemetry", "hall/meter", time.time_ns(), {"x": store.last_seq / 7})
        with store.transaction():
            booked += 1
            store.append("interval", "hall/meter", time.time_ns(), {"number": booked})
            store.save_state("booked", str(booked).encode())
        pulse = await store.news(pulse)
        print("committed", store.status().committed_seq, flush=True)  # noqa: T201  # the test reads it


asyncio.run(main(Path(sys.argv[1])))
