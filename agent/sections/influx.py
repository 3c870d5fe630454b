"""The `[influx]` table of a configuration."""

import urllib.parse
from typing import Annotated

from agent.sections.section import Section
from drivers.declared import After


def _server(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"'{url}' is no server; write https://host:8086")
    if parts.username or parts.password:
        raise ValueError("credentials do not belong into a URL; use token_file")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"'{url}' has no valid port; use 1 to 65535") from error
    return url.rstrip("/")


class InfluxConfig(Section):
    """`[influx]`: which database, and where in it."""

    url: Annotated[str, After(_server)]
    org: str = ""
    bucket: str = "energy"
    token_file: str | None = None
    ca_file: str | None = None
