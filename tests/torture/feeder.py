"""Appends simulated seconds to a store as fast as told while its real forwarder delivers; run by `overload`.

Arguments: folder, port of the broker, largest size of the store [bytes], simulated seconds, simulated seconds per
second. Prints nothing; writes each record's number and kind into `journal.txt` before the store is given it a chance
to drop it, and `fed` when it is done. Ends when its standard input does.
"""

import asyncio
import sys
import time
from pathlib import Path

from agent.board import Board
from agent.delivery.forward import Forwarder
from agent.record import rfc3339
from agent.sections.mqtt import MqttConfig
from agent.sinks.mqtt import MqttSink
from agent.store import Store
from tests.torture.works import SITE

_DEVICES = 50
_NS = 1_000_000_000


async def _feed(store: Store, folder: Path, seconds: int, speed: float) -> None:
    start_ns = time.time_ns() - seconds * _NS
    began = time.monotonic()
    with (folder / "journal.txt").open("w", encoding="ascii") as journal:
        for second in range(seconds):
            moment_ns = start_ns + second * _NS
            for device in range(1, _DEVICES + 1):
                head = {"site": SITE, "area": "hall", "device": f"motor-{device}"}
                key = f"hall/motor-{device}"
                values = {f"quantity_{n}_kw": (second * 31 + n) / 8 for n in range(18)}
                kinds = ["telemetry"] + ["window"] * (second % 10 == 0) + ["interval"] * (second % 900 == device)
                for kind in kinds:
                    body = {**head, "time": rfc3339(moment_ns), "start": rfc3339(moment_ns), "values": values}
                    record = store.append(kind, key, moment_ns, body)
                    journal.write(f"{record.seq} {kind}\n")
            await asyncio.sleep(max(0.0, began + (second + 1) / speed - time.monotonic()))


async def main(folder: Path, port: int, max_size: int, seconds: int, speed: float) -> None:
    store = Store(folder / "store.db", max_size=max_size, commit_every_s=0.2, sinks=("mqtt",), site=SITE)
    await store.open()
    config = MqttConfig(url=f"mqtt://127.0.0.1:{port}")
    forwarder = Forwarder(store, MqttSink(config, site=SITE, board=Board(), folder=folder))
    task = asyncio.create_task(forwarder.run())
    await _feed(store, folder, seconds, speed)
    (folder / "fed").touch()
    await asyncio.to_thread(sys.stdin.read)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
