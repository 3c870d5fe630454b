"""The calendar of a site's configuration."""

from agent.config import SiteConfig
from agent.rollup.periods import Calendar, Shift


def calendar_of(config: SiteConfig) -> Calendar:
    """Return the periods by which a site adds up."""
    shifts = [Shift(section.name, section.begin, section.end) for section in config.shifts]
    return Calendar(config.site.zone, config.interval.length, shifts)
