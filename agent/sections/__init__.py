"""The tables of the site configuration, each valid by itself.

What tables say about each other is checked in `agent.config.crosscheck`.
"""

from agent.sections.audit import AuditSection
from agent.sections.carbon import CarbonSection, FuelSection, GreenPowerSection
from agent.sections.output import IntensitySection, OutputSection
from agent.sections.plant import AccountSection, DeviceSection, LineSection
from agent.sections.site import (
    CaptureSection,
    HttpSection,
    IntervalSection,
    SiteSection,
    StoreSection,
    WindowsSection,
)

__all__ = [
    "AccountSection",
    "AuditSection",
    "CaptureSection",
    "CarbonSection",
    "DeviceSection",
    "FuelSection",
    "GreenPowerSection",
    "HttpSection",
    "IntensitySection",
    "IntervalSection",
    "LineSection",
    "OutputSection",
    "SiteSection",
    "StoreSection",
    "WindowsSection",
]
