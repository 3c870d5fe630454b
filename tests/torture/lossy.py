"""A network that really drops packets, where this machine allows a private one: three in ten, in both directions.

The case runs in a process with a network of its own, whose only way from agent to receivers is a tunnel device.
Each packet that goes in comes back with source and destination address exchanged, or does not: so the far end of
the tunnel is the machine itself, the kernel's TCP does the retransmissions, and no checksum changes.
"""

import argparse
import fcntl
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from tests.soak.finding import Finding
from tests.torture.judge import Expected, all_came, booked_once
from tests.torture.oracle import committed
from tests.torture.proxy import Link, proxied
from tests.torture.receivers import Received
from tests.torture.rig import rig, until

_HERE, _THERE = "10.254.9.1", "10.254.9.2"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_LONGEST_S = 900.0


def lossy(folder: Path, *, seconds: float, lost: float) -> Finding:
    """Run the case in a network of its own; say so when that cannot be had."""
    # Without root a user namespace gives the right to make one.
    apart = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    if not shutil.which("ip") or subprocess.call([*apart, "test", "-c", "/dev/net/tun"], stderr=subprocess.DEVNULL):
        return Finding(_title(lost), {"not run": "no private network here; the case 'links' approximates it"})
    command = [*apart, sys.executable, "-m", "tests.torture.lossy", str(folder), str(seconds), str(lost)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    if done.returncode:
        return Finding(_title(lost), problems=[f"broke: {done.stderr[-2000:]}"])
    return Finding(**json.loads(done.stdout.splitlines()[-1]))


def _title(lost: float) -> str:
    return f"a network that drops {lost:.0%} of all packets"


class Tunnel:
    """The device, and the thread that reflects or drops what goes into it."""

    def __init__(self) -> None:
        self._fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self._fd, _TUNSETIFF, struct.pack("16sH14x", b"torture0", _IFF_TUN | _IFF_NO_PI))
        for command in ("link set lo up", f"addr add {_HERE}/24 dev torture0", "link set torture0 up"):
            subprocess.run(["ip", *command.split()], check=True)
        self.lost = 0.0
        self.packets = self.dropped = 0
        threading.Thread(target=self._reflect, daemon=True).start()

    def _reflect(self) -> None:
        chance = random.Random(30)  # noqa: S311 -- packets, not secrets
        while packet := os.read(self._fd, 65535):
            if packet[0] >> 4 != 4:
                continue
            self.packets += 1
            if chance.random() < self.lost:
                self.dropped += 1
            else:
                os.write(self._fd, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])


def _trial(folder: Path, seconds: float, lost: float) -> Finding:
    finding, tunnel = Finding(_title(lost)), Tunnel()
    with rig(folder, motors=10) as parts:
        links = [Link(port, host=_HERE) for port in (parts.broker.port, parts.database.port)]
        received = Received(parts.messages)
        with proxied(*links):
            ports = {**parts.settings.ports, "mqtt": links[0].port, "influx": links[1].port}
            parts.write_config(ports=ports, host=_THERE)
            with parts.agent() as agent:
                until(agent.online, "the agent does not start")
                tunnel.lost = lost
                time.sleep(seconds)
                waiting = max(entry["pending"] for entry in agent.state()["sinks"])
                finding.figures["records that came meanwhile / waiting at the end"] = (
                    f"{len(received.read_on().arrivals):,} / {waiting:,}"
                )
                finding.figures["packets dropped"] = f"{tunnel.dropped:,} of {tunnel.packets:,}"
                finding.expect(tunnel.dropped > 0, "no packet was dropped")
                tunnel.lost = 0.0
                agent.catch_up(timeout_s=180)
                code, _ = agent.stop()
        finding.expect(code == 0, f"exit code {code}")
        expected = Expected()
        expected.see(last := committed(parts.store))
        all_came(finding, expected, received, parts.database, last)
        booked_once(finding, received, last)
    return finding


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("lost", type=float)
    given = parser.parse_args()
    finding = _trial(given.folder, given.seconds, given.lost)
    sys.stdout.write(json.dumps(asdict(finding)) + "\n")


if __name__ == "__main__":
    _main()
