"""The tables that concern the agent as a whole."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.sections.carbon import STANDARD_ATMOSPHERE, Pressure, kpa
from agent.sections.measure import Duration, Size, seconds
from agent.sections.section import Name, Section
from drivers.declared import After, rule

_DAY_S = 86400
_SMALLEST_STORE = 512 << 10
_SMALLEST_CAPTURE = 16 << 20
_LONGEST_SPAN_S = 366 * _DAY_S
"""A ring keeps a row for every minute of its span."""


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{value}' is no time zone; write one like 'Asia/Shanghai'") from error
    return value


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) < 2**16:
        raise ValueError(f"'{value}' is no address to listen on; write one like '127.0.0.1:8081'")
    return value


def _capture_size(value: int) -> int:
    if value < _SMALLEST_CAPTURE:
        raise ValueError("is too small: a few files must have room; give 16MiB or more, better 4GiB")
    return value


def _store_size(value: int) -> int:
    if value < _SMALLEST_STORE:
        raise ValueError("is too small to bridge any outage; give 512KiB or more, better 1GiB")
    return value


class SiteSection(Section):
    """`[site]`: which plant this is."""

    name: Name
    timezone: Annotated[str, After(_zone)] = "Asia/Shanghai"
    electricity_region: str = "CN"
    fuel_parameters: str = "GB/T 32151.34-2024"
    atmosphere: Pressure = STANDARD_ATMOSPHERE

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def atmosphere_mpa(self) -> float:
        """Pressure of the atmosphere [MPa], above which gauge pressures are."""
        return kpa(self.atmosphere) / 1000


class StoreSection(Section):
    """`[store]`: where records are kept until they are delivered, and as evidence afterwards."""

    path: str = "/var/lib/energy-agent/store.db"
    max_size: Annotated[Size, After(_store_size)] = 2**30
    commit_every: Duration = 1.0


class WindowsSection(Section):
    """`[windows]`: the rolling windows."""

    spans: tuple[str, ...] = ("1min", "15min", "1h", "24h")
    tick: Duration = 1.0
    publish: Duration = 10.0

    @rule
    def _spans_are_longer_than_a_tick(self) -> None:
        if not self.spans:
            raise ValueError("no span is named; name at least one, such as '1min'")
        for span in self.spans:
            if seconds(span) < self.tick:
                raise ValueError(f"span '{span}' is shorter than the tick; make it at least {self.tick:g} s")
            if seconds(span) > _LONGEST_SPAN_S:
                raise ValueError(f"span '{span}' is longer than a year; for that add up intervals")
        if len({seconds(span) for span in self.spans}) < len(self.spans):
            raise ValueError("the same span stands twice; remove one")

    @property
    def spans_s(self) -> dict[str, float]:
        """Length of each span [s] by the text of the file, which is also its tag."""
        return {span: seconds(span) for span in self.spans}


class IntervalSection(Section):
    """`[interval]`: the length of the records of account."""

    length: Duration = 900.0

    @rule
    def _length_divides_a_day(self) -> None:
        if self.length < 1 or self.length != int(self.length) or _DAY_S % self.length:
            raise ValueError("the length must be whole seconds and divide a day; use for example '15min'")


class CaptureSection(Section):
    """`[capture]`: raw exchanges on disk."""

    mode: Literal["off", "full"] = "off"
    directory: str | None = None
    max_size: Annotated[Size, After(_capture_size)] = 4 * 2**30

    def folder(self, store: StoreSection) -> str:
        """Return where captures go, relative to the file like every path: unless it is said, `capture` by the store."""
        return self.directory or str(Path(store.path).parent / "capture")


class HttpSection(Section):
    """`[http]`: the local API."""

    listen: Annotated[str, After(_listen)] = "127.0.0.1:8081"
    token_file: str | None = None

    @property
    def host(self) -> str:
        """Address to bind."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Port to bind; 0 takes a free one."""
        return int(self.listen.rpartition(":")[2])

    @rule
    def _open_only_with_a_token(self) -> None:
        if self.host != "localhost" and not self.token_file:
            try:
                loopback = ipaddress.ip_address(self.host).is_loopback
            except ValueError:
                loopback = False
            if not loopback:
                raise ValueError(f"'{self.listen}' can be reached from outside; give a token_file, or use 127.0.0.1")
