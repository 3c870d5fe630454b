"""The site configuration: what stands in the file, and every mistake in it at once, each with its line.

In: the file with its tables (`agent.sections`), the profiles of its devices and the factors it chooses, installed or
kept. Out: a `SiteConfig` that is whole and checked, or a `ConfigError` with all that is wrong (`agent.config.load`, or
in a process of its own `agent.config.loading`); and what lies between two configurations (`agent.config.reload`).
Nothing here runs, measures or writes.
"""

from agent.config.kept_documents import KeptDocuments
from agent.config.site import SINKS, ConfigError, SiteConfig

__all__ = ["SINKS", "ConfigError", "KeptDocuments", "SiteConfig"]
