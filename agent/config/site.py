"""A site's configuration as a whole. Secrets are never in it, only paths to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.carbon.factors import FactorLibrary
from agent.plant import Plant, build_plant
from agent.sections import (
    AccountSection,
    AuditSection,
    CaptureSection,
    CarbonSection,
    DeviceSection,
    FuelSection,
    GreenPowerSection,
    HttpSection,
    IntensitySection,
    IntervalSection,
    LineSection,
    OutputSection,
    SiteSection,
    StoreSection,
    WindowsSection,
)
from agent.sections.equipment import EquipmentSection, FeederSection
from agent.sections.influx import InfluxConfig
from agent.sections.meter import InitialReadingSection, ReplacementSection
from agent.sections.mqtt import MqttConfig
from agent.sections.output import TargetSection
from agent.sections.tariff import CalendarSection, TariffSection
from agent.sections.virtual import BalanceSection, ShiftSection, VirtualSection
from agent.sections.warning import AlarmSection, BudgetSection
from drivers.document import Problem
from drivers.profile import Profile
from drivers.value import frozen


class ConfigError(Exception):
    """Raised when a configuration cannot be used; carries every problem found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process with the problems."""
        return ConfigError, (self.problems,)


SINKS = ("mqtt", "influx")
"""Tables that each describe a receiver, which is known by the same name in the store."""


@frozen
class SiteConfig:
    """A whole, checked configuration, with the profiles its devices use (by device name)."""

    path: Path
    content: bytes
    """The file as it was read: it may be another by now."""
    digest: str
    site: SiteSection
    store: StoreSection
    lines: tuple[LineSection, ...]
    devices: tuple[DeviceSection, ...]
    accounts: tuple[AccountSection, ...]
    carbon: CarbonSection
    fuels: tuple[FuelSection, ...]
    green_power: tuple[GreenPowerSection, ...]
    outputs: tuple[OutputSection, ...]
    intensities: tuple[IntensitySection, ...]
    targets: tuple[TargetSection, ...]
    equipment: tuple[EquipmentSection, ...]
    calendar: CalendarSection
    tariffs: tuple[TariffSection, ...]
    replacements: tuple[ReplacementSection, ...]
    initial_readings: tuple[InitialReadingSection, ...]
    alarms: tuple[AlarmSection, ...]
    budgets: tuple[BudgetSection, ...]
    shifts: tuple[ShiftSection, ...]
    virtual: tuple[VirtualSection, ...]
    balances: tuple[BalanceSection, ...]
    windows: WindowsSection
    interval: IntervalSection
    mqtt: MqttConfig | None
    influx: InfluxConfig | None
    capture: CaptureSection
    audit: AuditSection
    http: HttpSection | None
    profiles: Mapping[str, Profile]
    library: FactorLibrary
    """The factor sets it is weighed by: those that come with the program, and the plant's own."""

    def resolve(self, path: str) -> Path:
        """Return a path of the file, relative ones taken from the file's own folder."""
        return self.path.parent / path

    @property
    def capture_folder(self) -> Path:
        """Where captures go."""
        return self.resolve(self.capture.folder(self.store))

    def plant(self) -> Plant:
        """Form what is accounted for: accounts, outputs and intensities."""
        return build_plant(self.devices, self.profiles, self.accounts, self.outputs, self.intensities)

    @property
    def profile_digests(self) -> dict[str, str]:
        """The digest of the profile of each device, by its name."""
        return {name: profile.digest for name, profile in self.profiles.items()}

    @property
    def load_factors(self) -> tuple[str, ...]:
        """Accounts whose mean power is held against the highest of any period of demand."""
        return tuple(each.electricity_account for each in self.equipment if isinstance(each, FeederSection))

    @property
    def sinks(self) -> tuple[str, ...]:
        """Names of the receivers there are."""
        return tuple(name for name in SINKS if getattr(self, name) is not None)

    @property
    def telemetry_every_s(self) -> float:
        """Cadence of telemetry records [s]."""
        return self.mqtt.telemetry_every if self.mqtt else 10.0
