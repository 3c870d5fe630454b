"""Frames made of registers, as a line would have brought them, and the configurations they belong to."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent.config import SiteConfig
from agent.config.load import load_config
from drivers.codec import Codec
from drivers.errors import LineError, NoReply
from drivers.frame import Frame
from drivers.plan import plan
from drivers.profile import Profile
from drivers.reading import Block, Exchange, Outcome

SITE = """[site]
name = "works"
electricity_region = "CN-AH"

[[line]]
name = "hall"
url = "tcp://127.0.0.1:1502"
"""

DEVICES = """[[device]]
name = "fan-1"
area = "boiler-house"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
every = "10s"

[[device]]
name = "boiler-1"
area = "boiler-house"
line = "hall"
unit = 2
profile = "generic/steam-boiler"
every = "10s"

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"

[[intensity]]
name = "steam"
accounts = ["fan-1/electricity", "boiler-1/natural_gas"]
per = "steam"

[windows]
spans = ["1min", "15min"]

[interval]
length = "1min"
"""
"""A fan with a counter, and a boiler whose steam is what is made."""


def configured(folder: Path, text: str) -> SiteConfig:
    """Return a configuration written to a folder."""
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def exchange(block: Block, data: bytes, time_ns: int, *, unit: int = 1, outcome: Outcome = Outcome.OK) -> Exchange:
    """Return what a line gives for a block; both clocks show the same time."""
    return Exchange("hall", unit, block, b"?", data, data, time_ns, time_ns, time_ns, outcome)


def frame(device: str, profile: Profile, registers: Mapping[int, str], time_ns: int) -> Frame:
    """Return the frame of a poll in which each address of `registers` holds what its hex says, all others zero."""
    return frame_at(device, profile, registers, time_ns, time_ns)


def frame_at(device: str, profile: Profile, registers: Mapping[int, str], time_ns: int, monotonic_ns: int) -> Frame:
    """Return such a frame of a machine whose clocks differ."""
    planned = plan(profile, every_s=1.0)
    results: dict[Block, Exchange | LineError] = {}
    for item in planned:
        data = bytearray(2 * item.block.count)
        for address, text in registers.items():
            if item.block.address <= address < item.block.end:
                octets = bytes.fromhex(text)
                at = 2 * (address - item.block.address)
                data[at : at + len(octets)] = octets
        results[item.block] = replace(
            exchange(item.block, bytes(data), time_ns), sent_ns=monotonic_ns, received_ns=monotonic_ns
        )
    return Codec(profile, planned).decode(device, results)


def lost_frame(device: str, profile: Profile, time_ns: int) -> Frame:
    """Return the frame of a poll that nobody answered."""
    planned = plan(profile, every_s=1.0)
    results: dict[Block, Exchange | LineError] = {
        item.block: NoReply("no reply", exchange(item.block, b"", time_ns, outcome=Outcome.NO_REPLY))
        for item in planned
    }
    return Codec(profile, planned).decode(device, results)
