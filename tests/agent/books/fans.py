"""A fan with a counter, and a ledger that takes what is read of it."""

from datetime import UTC, datetime
from pathlib import Path

from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config import SiteConfig
from tests.agent.frames import DEVICES, SITE, configured, frame, lost_frame

LIBRARY = load_library()
S = 10**9
START = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * S
ENERGY, POWER = 0x0010, 0x0020
FAN = "fan-1/electricity"
INTEGRATED = (
    '\n[[account]]\nname = "fan-1/electricity"\ndevice = "fan-1"\ncarrier = "electricity"\nfrom = "active_power"\n'
)


def ledger_of(config: SiteConfig, start_ns: int = START) -> Ledger:
    return Ledger(config, LIBRARY, start_ns=start_ns)


def rated_fan(folder: Path, rated_power: str, *, integrated: str = INTEGRATED) -> SiteConfig:
    devices = DEVICES.replace('every = "10s"', f'every = "10s"\nrated_power = "{rated_power}"', 1)
    return configured(folder, SITE + devices + integrated)


class Fan:
    """Feeds a ledger with the fan's counter [0.01 kWh]."""

    def __init__(self, config: SiteConfig, ledger: Ledger) -> None:
        self.profile = config.profiles["fan-1"]
        self.ledger = ledger

    def shows(self, after_s: float, counts: int, power_w: int = 0) -> None:
        registers = {ENERGY: f"{counts:08x}", POWER: f"{power_w:08x}"}
        self.ledger.take(frame("fan-1", self.profile, registers, START + round(after_s * S)))

    def is_silent(self, after_s: float) -> None:
        self.ledger.take(lost_frame("fan-1", self.profile, START + round(after_s * S)))
