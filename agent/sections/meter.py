"""The tables by which people declare what happened to meters."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from agent.metering.amount import LARGEST, Declaration
from agent.record import unix_ns
from agent.sections.section import Section
from drivers.declared import Within

Said = Annotated[str, Within(min_length=1, max_length=500)]
Shown = Annotated[float, Within(ge=0.0, le=LARGEST, allow_inf_nan=False)]


class DeclaredSection(Section):
    """What both have in common."""

    account: str
    time: datetime
    """When; without offset in the site's time zone."""
    reason: Said
    """Why, such as the calibration that was due."""
    author: Said
    """Who says so."""


class ReplacementSection(DeclaredSection):
    """`[[replacement]]`: a meter was replaced by another; readings in the unit its counter is read in."""

    last_reading: Shown
    """What the old meter showed when it was taken out."""
    first_reading: Shown
    """What the new meter showed when it was put in."""

    def declaration(self, zone: ZoneInfo) -> Declaration:
        """Return what is declared; a time without offset is one of `zone`."""
        time_ns = moment_ns(self.time, zone)
        return Declaration(self.account, time_ns, self.last_reading, self.first_reading, self.reason, self.author)


class InitialReadingSection(DeclaredSection):
    """`[[initial_reading]]`: what a counter showed when its account began, before the agent read it first."""

    reading: Shown
    """What it showed then, in the unit the counter is read in."""

    def declaration(self, zone: ZoneInfo) -> Declaration:
        """Return what is declared; a time without offset is one of `zone`."""
        return Declaration(self.account, moment_ns(self.time, zone), None, self.reading, self.reason, self.author)


def moment_ns(time: datetime, zone: ZoneInfo) -> int:
    """Return a time as Unix time [ns], in whole microseconds; one without offset is one of `zone`."""
    whole = time if time.tzinfo else time.replace(tzinfo=zone)
    return unix_ns(whole)
