"""The table by which records become provable to somebody outside."""

import urllib.parse
from typing import Annotated

from agent.sections.measure import Duration
from agent.sections.section import Section
from drivers.declared import After

_DAY_S = 86400


def _rhythm(value: float) -> float:
    if not 1 <= value <= _DAY_S:
        raise ValueError("must lie between '1s' and '24h'; write '1h'")
    return value


def _server(value: str) -> str:
    parts = urllib.parse.urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"'{value}' is no server; write one like 'https://tsa.example/tsr'")
    return value


class AuditSection(Section):
    """`[audit]`: the key of the seals, how often one is made, and who stamps the time on them."""

    key_file: str | None = None
    seal_every: Annotated[Duration, After(_rhythm)] = 3600.0
    timestamp_url: Annotated[str, After(_server)] | None = None
