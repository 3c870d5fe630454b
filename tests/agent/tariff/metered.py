"""A works with one incoming meter and a tariff, whose counter and clock the tests turn."""

from datetime import datetime
from pathlib import Path

from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config import SiteConfig
from agent.tariff.book import TariffBooks
from agent.tariff.build import tariffs
from agent.tariff.figures import TariffFigures
from tests.agent.frames import configured, frame
from tests.agent.tariff.tables import SHANGHAI

NS = 10**9
ENERGY = 0x0010
METER = "meter-1/electricity"
WINDOWS = 'spans = ["1min", "15min"]\ntick = "10s"'
CONFIGURATION = """[site]
name = "works"
electricity_region = "CN-HB"

[[line]]
name = "hall"
url = "tcp://127.0.0.1:1502"

[[device]]
name = "meter-1"
area = "substation"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
every = "10s"

[windows]
spans = ["1min", "15min"]
tick = "10s"

[[tariff]]
name = "grid"
meter = "meter-1/electricity"
two_part = "demand"

[[tariff.day]]
hours = { peak = ["08:00-22:00"], valley = ["22:00-08:00"] }

[[tariff.price]]
from = 2026-01-01
peak = 0.9
valley = 0.4
demand = 40
"""


def clock(text: str) -> int:
    """Return a local time as Unix ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()) * NS


class Works:
    """Feeds a ledger every 10 s with a meter under a load [kW], and asks for its figures every minute."""

    def __init__(self, folder: Path, start: str, books: TariffBooks | None = None, *, windows: str = WINDOWS) -> None:
        self.config: SiteConfig = configured(folder, CONFIGURATION.replace(WINDOWS, windows))
        config = self.config
        self.now_ns = clock(start)
        self.ledger = Ledger(config, load_library(), start_ns=self.now_ns)
        self.books = books or TariffBooks(tariffs(config.tariffs, config.calendar, config.site.zone))
        self.source = TariffFigures(self.ledger, self.books.books.values())
        self.kwh = 1000.0
        self.found: dict[str, list[tuple[int, float | None]]] = {}

    def shows(self) -> None:
        """Let the meter be read as it stands [0.01 kWh]."""
        registers = {ENERGY: f"{round(self.kwh * 100):08x}"}
        self.ledger.take(frame("meter-1", self.config.profiles["meter-1"], registers, self.now_ns))

    def runs(self, minutes: float, kw: float, *, read: bool = True) -> None:
        """Run under a load, read or not."""
        for _ in range(round(minutes * 6)):
            if read:
                self.shows()
            self.ledger.tick(self.now_ns)
            for figure in self.source.figures(self.now_ns):
                self.found.setdefault(f"{figure.name}/{figure.span}", []).append((self.now_ns, figure.value))
            self.now_ns += 10 * NS
            self.kwh += kw / 360

    def last(self, name: str) -> float | None:
        """Return the newest value of a figure, such as "demand/15min"."""
        return self.found[name][-1][1]
