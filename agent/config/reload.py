"""What lies between two configurations: which parts of a running agent stay, end, begin or change."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from agent.config.site import SINKS, SiteConfig
from drivers.value import frozen

_NOT_ACCOUNTED = frozenset(
    {"path", "content", "digest", "store", "lines", "equipment", "alarms", "capture", "audit", "http", "library"}
    | {*SINKS}
)
"""What amounts do not depend on: how they come in and go out, and what is only worked out from them. The factors are
compared apart."""


@frozen
class Difference:
    """The way from one configuration to another; whatever is not named here goes on as if nothing had happened."""

    lines_kept: tuple[str, ...]
    """Neither their table nor their devices have changed."""
    lines_ended: tuple[str, ...]
    """Gone or changed; the latter are started again."""
    sinks: tuple[str, ...]
    """Connected anew."""
    api: bool
    ledger: bool
    """Whether accounts, windows or intervals may be others."""
    ticker: bool
    gone: tuple[str, ...]
    """`area/device` that are no more."""

    def __str__(self) -> str:
        """Return what is done, for the log."""
        parts = [f"{kind} {name}" for kind, names in (("line", self.lines_ended), ("", self.sinks)) for name in names]
        parts += [text for text, changed in (("http", self.api), ("accounts", self.ledger)) if changed]
        ended = ", ".join(part.strip() for part in parts) or "nothing"
        return f"changed: {ended}; going on: {', '.join(self.lines_kept) or 'no line'}"


def needs_new_start(before: SiteConfig, after: SiteConfig) -> str:
    """Return which table changes more than a running agent can change in itself, empty when none does."""
    if before.site != after.site:
        return "[site]"
    if before.store != after.store:
        return "[store]"
    if before.audit != after.audit:
        return "[audit]"
    for name in SINKS:
        # The store keeps a cursor for each sink it was opened with.
        if (name in before.sinks) != (name in after.sinks):
            return f"[{name}]"
    return ""


def difference(before: SiteConfig, after: SiteConfig, *, other_factors: bool = False) -> Difference:
    """Return what is to be done so that an agent with one configuration becomes one with the other.

    `other_factors` says whether the factor files are others by now: they stand beside the configuration.
    """
    old, new = _lines(before), _lines(after)
    kept = tuple(name for name in new if old.get(name) == new[name])
    return Difference(
        lines_kept=kept,
        lines_ended=tuple(name for name in old if name not in kept),
        sinks=tuple(name for name in SINKS if getattr(before, name) != getattr(after, name)),
        api=before.http != after.http,
        ledger=other_factors or _accounted(before) != _accounted(after),
        ticker=before.windows != after.windows,
        gone=tuple(key for key in _keys(before) if key not in _keys(after)),
    )


def _lines(config: SiteConfig) -> Mapping[str, Any]:
    """Return all that the task of each line depends on."""
    return {
        line.name: (
            line,
            [(device, config.profiles[device.name].digest) for device in config.devices if device.line == line.name],
        )
        for line in config.lines
    }


def _accounted(config: SiteConfig) -> dict[str, Any]:
    """Return all that the ledger may depend on: the rest is named, so that what is added later counts until it is."""
    chosen = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in _NOT_ACCOUNTED}
    # The windows keep a row a minute of these.
    return chosen | {"profiles": config.profile_digests, "load_factors": frozenset(config.load_factors)}


def _keys(config: SiteConfig) -> tuple[str, ...]:
    return tuple(f"{device.area}/{device.name}" for device in config.devices)
