"""The `[mqtt]` table of a configuration."""

import urllib.parse
from typing import Annotated, Literal

from agent.sections.measure import Duration
from agent.sections.section import Section
from drivers.declared import After, Within, rule

_PORTS = {"mqtt": 1883, "mqtts": 8883}


def _broker(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"'{url}' is no broker; write mqtts://host:8883 or mqtt://host:1883")
    if parts.username or parts.password:
        raise ValueError("credentials do not belong into a URL; use username and password_file")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"'{url}' says more than a broker; end it after host and port")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"'{url}' has no valid port; use 1 to 65535") from error
    return url


class MqttConfig(Section):
    """`[mqtt]`: which broker, how to be known there, and where in its topics this site stands."""

    url: Annotated[str, After(_broker)]
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    root: Annotated[str, Within(pattern=r"^[^/+#$\s]+(/[^/+#\s]+)*$")] = "energy"
    telemetry_every: Duration = 10.0
    version: Literal["5", "3.1.1"] = "5"
    client_id: str | None = None

    @rule
    def _complete(self) -> None:
        if self.password_file and not self.username:
            raise ValueError("password_file without username; add username")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file without cert_file; add cert_file")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("certificates without TLS; begin url with mqtts://")

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")

    @property
    def host(self) -> str:
        """Host name or address of the broker."""
        return str(urllib.parse.urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        """Port of the broker."""
        parts = urllib.parse.urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"
