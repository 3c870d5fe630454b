"""A site's configuration as a whole: read, validated, cross-checked.

Each table is validated by itself, so that a mistake in one never hides those in another; then the names that
tables use of each other are checked. Secrets are never in the file, only paths to them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.config.crosscheck import crosscheck
from agent.config.kept_documents import KeptDocuments
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
from agent.sections.meter import InitialReadingSection, ReplacementSection
from agent.sections.output import TargetSection
from agent.sections.tables import Parsed
from agent.sections.tariff import CalendarSection, TariffSection
from agent.sections.virtual import BalanceSection, ShiftSection, VirtualSection
from agent.sections.warning import AlarmSection, BudgetSection
from agent.sinks.influx import InfluxConfig
from agent.sinks.mqtt import MqttConfig
from drivers.document import Document, DocumentError, Problem
from drivers.profile import Profile
from drivers.value import frozen


class ConfigError(Exception):
    """Raised when a configuration cannot be used; carries every problem found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(sorted(set(problems)))


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


def _build(parsed: Parsed, path: Path, profiles: Mapping[str, Profile]) -> SiteConfig:
    if parsed.problems:
        raise ConfigError(parsed.problems)
    site = parsed.table("site", SiteSection)
    if site is None:
        raise ConfigError([parsed.document.problem((), "[site] is missing")])
    return SiteConfig(
        path=path,
        content=parsed.document.content,
        digest=parsed.document.digest,
        site=site,
        store=parsed.table("store", StoreSection) or StoreSection(),
        lines=tuple(parsed.entries("line", LineSection).values()),
        devices=tuple(parsed.entries("device", DeviceSection).values()),
        accounts=tuple(each.on_site(site.atmosphere) for each in parsed.entries("account", AccountSection).values()),
        carbon=parsed.table("carbon", CarbonSection) or CarbonSection(),
        fuels=tuple(parsed.entries("fuel", FuelSection).values()),
        green_power=tuple(parsed.entries("green_power", GreenPowerSection).values()),
        outputs=tuple(parsed.entries("output", OutputSection).values()),
        intensities=tuple(parsed.entries("intensity", IntensitySection).values()),
        targets=tuple(parsed.entries("target", TargetSection).values()),
        equipment=tuple(parsed.entries("equipment", EquipmentSection).values()),
        calendar=parsed.table("calendar", CalendarSection) or CalendarSection(),
        tariffs=tuple(parsed.entries("tariff", TariffSection).values()),
        replacements=tuple(parsed.entries("replacement", ReplacementSection).values()),
        initial_readings=tuple(parsed.entries("initial_reading", InitialReadingSection).values()),
        shifts=tuple(parsed.entries("shift", ShiftSection).values()),
        virtual=tuple(parsed.entries("virtual", VirtualSection).values()),
        balances=tuple(parsed.entries("balance", BalanceSection).values()),
        alarms=tuple(parsed.entries("alarm", AlarmSection).values()),
        budgets=tuple(parsed.entries("budget", BudgetSection).values()),
        windows=parsed.table("windows", WindowsSection) or WindowsSection(),
        interval=parsed.table("interval", IntervalSection) or IntervalSection(),
        mqtt=parsed.table("mqtt", MqttConfig),
        influx=parsed.table("influx", InfluxConfig),
        capture=parsed.table("capture", CaptureSection) or CaptureSection(),
        audit=parsed.table("audit", AuditSection) or AuditSection(),
        http=parsed.table("http", HttpSection),
        profiles=profiles,
    )


def load_config(path: Path, kept: KeptDocuments | None = None) -> SiteConfig:
    """Read, validate and cross-check a configuration; raise ConfigError with every problem found.

    `kept` are the profiles and factor sets it is to be read with, in place of those installed.
    """
    try:
        document = Document.load(path)
    except DocumentError as error:
        raise ConfigError([error.problem]) from error
    parsed = Parsed(document)
    profiles = crosscheck(parsed, path.parent, kept)
    return _build(parsed, path, profiles)
