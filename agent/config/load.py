"""A site's configuration read, validated and cross-checked.

Each table is validated by itself, so that a mistake in one never hides those in another; then the names that
tables use of each other are checked.
"""

from collections.abc import Mapping
from pathlib import Path

from agent import __version__
from agent.carbon.factors import FactorLibrary
from agent.config.crosscheck import crosscheck
from agent.config.kept_documents import KeptDocuments
from agent.config.site import ConfigError, SiteConfig
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
from agent.sections.equipment import EquipmentSection
from agent.sections.influx import InfluxConfig
from agent.sections.meter import InitialReadingSection, ReplacementSection
from agent.sections.mqtt import MqttConfig
from agent.sections.output import TargetSection
from agent.sections.tables import Parsed
from agent.sections.tariff import CalendarSection, TariffSection
from agent.sections.virtual import BalanceSection, ShiftSection, VirtualSection
from agent.sections.warning import AlarmSection, BudgetSection
from drivers.document import Document, DocumentError, Problem
from drivers.profile import Profile


def _build(parsed: Parsed, path: Path, profiles: Mapping[str, Profile], library: FactorLibrary) -> SiteConfig:
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
        library=library,
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
    profiles, library = crosscheck(parsed, path.parent, kept)
    return _build(parsed, path, profiles, library)


def load_for(version: str, path: str) -> SiteConfig:
    """Do as `load_config` for another process, which must run the same version of the program."""
    if version != __version__:
        # An update has taken this one's place on the disk: its tables may have other keys than those of the other.
        what = f"cannot be read: energy-agent {version} runs, and {__version__} is installed by now"
        raise ConfigError([Problem(path, 0, what, "restart the agent")])
    return load_config(Path(path))
