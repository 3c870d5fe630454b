"""Where a line is: the URL of the configuration, parsed and checked.

tcp://HOST[:502] · tls://HOST[:802][?ca=FILE&cert=FILE&key=FILE] · rtu+tcp://HOST:PORT ·
rtu:///dev/ttyUSB0[?baud=9600&parity=N&stop=1]
"""

from urllib.parse import SplitResult, unquote, urlsplit

from drivers.document import nearest
from drivers.errors import EndpointError
from drivers.value import frozen

_TCP, _RTU, _RTU_TCP, _TLS = "tcp", "rtu", "rtu+tcp", "tls"
_DEFAULT_PORTS = {_TCP: 502, _TLS: 802}
_KEYS = {
    _TCP: frozenset[str](),
    _RTU: frozenset({"baud", "parity", "stop", "data"}),
    _RTU_TCP: frozenset[str](),
    _TLS: frozenset({"ca", "cert", "key"}),
}
_BAUDS = (300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600)
_PARITIES = ("N", "E", "O")
_FAST_BAUD = 19200
_FAST_GAP_S = 0.00175


@frozen(kw_only=True)
class Endpoint:
    """The other end of a line, and for a serial port how its characters are sent."""

    url: str
    scheme: str
    host: str = ""
    port: int = 0
    device: str = ""
    """Path of the serial port; empty for the schemes over a network."""
    baud: int = 9600
    parity: str = "N"
    stop: int = 1
    data_bits: int = 8
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @property
    def serial(self) -> bool:
        """Whether frames are RTU: no transaction number ties a reply to its request."""
        return self.scheme in (_RTU, _RTU_TCP)

    @property
    def bits_per_char(self) -> int:
        """Bits on the wire for one byte: start, data, parity and stop bits."""
        return 1 + self.data_bits + (self.parity != "N") + self.stop

    @property
    def char_seconds(self) -> float:
        """Time one byte takes on the serial port [s]; 0 over a network, where the baud rate is not known."""
        return self.bits_per_char / self.baud if self.device else 0.0

    @property
    def gap_seconds(self) -> float:
        """Least silence between two frames [s]: MODBUS over Serial Line V1.02, section 2.5.1.1."""
        if not self.device:
            return 0.0
        return 3.5 * self.char_seconds if self.baud <= _FAST_BAUD else _FAST_GAP_S

    def transfer_seconds(self, request_bytes: int, reply_bytes: int) -> float:
        """Return the time [s] a request, its reply and the gap behind each occupy the wire; 0 over a network."""
        if not self.device:
            return 0.0
        return (request_bytes + reply_bytes) * self.char_seconds + 2 * self.gap_seconds


def parse_endpoint(url: str) -> Endpoint:
    """Return the endpoint a URL names; raise EndpointError that says what is wrong and what to do."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise _no_scheme(url)
    if scheme not in _KEYS:
        raise EndpointError(f"'{url}': unknown scheme '{scheme}': {nearest(scheme, _KEYS)}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise EndpointError(f"'{url}': {error}: write an IPv6 address as [fe80::1]") from error
    if parts.fragment:
        raise EndpointError(f"'{url}': '#{parts.fragment}' has no meaning here: remove it")
    settings = _settings(url, scheme, parts.query)
    if scheme == _RTU:
        return _serial_port(url, parts, rest, settings)
    host, port = _host_and_port(url, scheme, parts)
    if "key" in settings and "cert" not in settings:
        raise EndpointError(f"'{url}': key= without cert=: name the certificate the key belongs to")
    return Endpoint(
        url=url,
        scheme=scheme,
        host=host,
        port=port,
        ca_file=settings.get("ca"),
        cert_file=settings.get("cert"),
        key_file=settings.get("key"),
    )


def _no_scheme(url: str) -> EndpointError:
    if url.startswith("/"):
        return EndpointError(f"'{url}': a line is named by a URL: write rtu://{url}")
    if not url.strip():
        return EndpointError("the URL is empty: write one such as tcp://10.0.0.5:502 or rtu:///dev/ttyUSB0")
    return EndpointError(f"'{url}': a line is named by a URL: write tcp://{url} (or rtu+tcp://, tls://, rtu:///dev/…)")


def _settings(url: str, scheme: str, query: str) -> dict[str, str]:
    """Return the checked `key=value` pairs behind the question mark."""
    settings: dict[str, str] = {}
    for part in query.split("&") if query else ():
        key, equals, value = part.partition("=")
        if key not in _KEYS[scheme]:
            remedy = nearest(key, _KEYS[scheme]) or f"{scheme}:// takes none"
            raise EndpointError(f"'{url}': unknown setting '{key}': {remedy}")
        if key in settings:
            raise EndpointError(f"'{url}': setting '{key}' stands twice: keep one")
        if not equals or not value:
            raise EndpointError(f"'{url}': setting '{key}' has no value: write {key}=…")
        settings[key] = unquote(value)
    return settings


def _serial_port(url: str, parts: SplitResult, rest: str, settings: dict[str, str]) -> Endpoint:
    if parts.netloc:
        raise EndpointError(f"'{url}': 'rtu://' is followed by an absolute path: write rtu:///{rest}")
    device = unquote(parts.path)
    if not device.strip("/"):
        raise EndpointError(f"'{url}': the serial port is missing: write one such as rtu:///dev/ttyUSB0")
    parity = settings.get("parity", "N").upper()
    if parity not in _PARITIES:
        raise EndpointError(f"'{url}': parity '{settings['parity']}' is none: use N (none), E (even) or O (odd)")
    baud = _one_of(url, "baud", settings.get("baud", "9600"), _BAUDS)
    stop = _one_of(url, "stop", settings.get("stop", "1"), (1, 2))
    _one_of(url, "data", settings.get("data", "8"), (8,))
    return Endpoint(url=url, scheme=_RTU, device=device, baud=baud, parity=parity, stop=stop)


def _one_of(url: str, key: str, text: str, allowed: tuple[int, ...]) -> int:
    if text.isascii() and text.isdecimal() and int(text) in allowed:
        return int(text)
    listed = ", ".join(map(str, allowed))
    raise EndpointError(f"'{url}': {key} '{text}' is not possible for Modbus RTU: use {listed}")


def _host_and_port(url: str, scheme: str, parts: SplitResult) -> tuple[str, int]:
    if "@" in parts.netloc:
        raise EndpointError(f"'{url}': Modbus knows no user or password: remove what stands before '@'")
    if parts.path not in ("", "/"):
        raise EndpointError(f"'{url}': '{parts.path}' behind the host has no meaning: remove it")
    if not parts.hostname:
        raise EndpointError(
            f"'{url}': the host is missing: write {scheme}://10.0.0.5:{_DEFAULT_PORTS.get(scheme, 4001)}"
        )
    try:
        port = parts.port if parts.port is not None else _DEFAULT_PORTS.get(scheme)
    except ValueError as error:
        remedy = "give a number from 1 to 65535, and write an IPv6 address as [fe80::1]"
        raise EndpointError(f"'{url}': the port is wrong: {remedy}") from error
    if port is None:
        raise EndpointError(
            f"'{url}': the port is missing, and {scheme} has no usual one: write {url.rstrip('/')}:PORT"
        )
    if port == 0:
        raise EndpointError(f"'{url}': port 0 cannot be connected to: give a number from 1 to 65535")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        remedy = "write an address such as 10.0.0.5, or the name as the network knows it"
        raise EndpointError(f"'{url}': the host name '{parts.hostname}' is not possible: {remedy}") from error
    return parts.hostname, port
