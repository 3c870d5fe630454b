"""Whether memory goes on growing: a fleet read for long, resident memory every 10 s, a line through what is settled.

`python -m tests.bench.slope [--for MINUTES] [--devices N]`. Every value goes to MQTT every second, intervals are of a
minute, and the only window is one of a minute, so that its rows are all there at once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench import fleet
from tests.bench.fleet import Fleet
from tests.servers import running_mosquitto
from tests.soak import rig
from tests.soak.footprint import Sample, sample

_EVERY_S = 10.0
_SETTLED_S = 600.0
"""Until then connections, queues and the caches of the store grow to the size they need."""


def watched(given: Fleet, seconds: float) -> list[Sample]:
    """Let the agent read a fleet for so long; return what it took every 10 s, without what was before it settled."""
    found: list[Sample] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        fleet.apart()
        with (
            fleet.served(folder) as devices,
            running_mosquitto(folder, settings="max_queued_messages 0") as broker,
        ):
            receiver = ["mosquitto_sub", "-V", "5", "-q", "1", "-p", str(broker.port), "-t", "energy/#"]
            file = fleet.configure(folder, given, devices_port=devices.port, ports={"mqtt": broker.port})
            with (
                rig.running(receiver, folder / "receiver.log", stdout=subprocess.DEVNULL),
                rig.running(fleet.agent(file), folder / "agent.log", stdout=subprocess.DEVNULL) as process,
            ):
                begun = time.monotonic()
                while time.monotonic() < begun + seconds:
                    time.sleep(_EVERY_S)
                    found.append(sample(process.pid))
                process.terminate()
                process.wait(30)
    return [each for each in found if each.at - begun >= min(_SETTLED_S, seconds / 2)]


def main() -> int:
    """Tell how much memory there was, and how it went on; return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.slope", description=__doc__)
    parser.add_argument("--for", dest="minutes", type=float, default=45.0)
    parser.add_argument("--devices", type=int, default=1000)
    asked = parser.parse_args()
    given = Fleet(asked.devices, 20, telemetry_s=1.0, influx=False, spans=("1min",))
    found = watched(given, asked.minutes * 60)
    hours, mib = np.array([each.at for each in found]) / 3600, np.array([each.resident_mib for each in found])
    slope = np.polyfit(hours, mib, 1)[0]
    sys.stdout.write(
        f"resident memory over {(hours[-1] - hours[0]) * 60:.0f} minutes: mean {mib.mean():.1f} MiB, least "
        f"{mib.min():.1f}, most {mib.max():.1f}; the line through {len(mib)} samples rises by {slope:.2f} MiB an hour\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
