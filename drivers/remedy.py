"""What keeps a line from being used, told in one line with place, cause and remedy."""

import errno
import re
import socket
import ssl
from collections.abc import Mapping

from drivers.endpoint import Endpoint

_NETWORK_REMEDIES: Mapping[int, str] = {
    errno.ECONNREFUSED: "connection refused: start the Modbus server there, or correct host and port",
    errno.EHOSTUNREACH: "no route to the host: check address, cabling and gateway",
    errno.ENETUNREACH: "network unreachable: check the network settings of this machine",
    errno.ETIMEDOUT: "the connection timed out: check address, power, cabling and firewall",
    errno.EACCES: "permission denied: check the firewall of this machine",
    errno.EMFILE: "too many open files: raise the limit of this process (LimitNOFILE)",
}
_SERIAL_REMEDIES: Mapping[int, str] = {
    errno.ENOENT: "no such device: plug in the adapter, or correct the path (ls /dev/serial/by-id)",
    errno.ENODEV: "no such device: plug in the adapter, or correct the path (ls /dev/serial/by-id)",
    errno.ENXIO: "no such device: plug in the adapter, or correct the path (ls /dev/serial/by-id)",
    errno.EACCES: "permission denied: add the user to group dialout",
    errno.EPERM: "permission denied: add the user to group dialout",
    errno.EAGAIN: "in use by another program: stop that one (fuser -v names it)",
    errno.EBUSY: "in use by another program: stop that one (fuser -v names it)",
    errno.ENOTTY: "is not a serial port: correct the path",
    errno.EISDIR: "is not a serial port: correct the path",
    errno.EINVAL: "does not take these settings: check baud, parity and stop",
    errno.EIO: "input/output error: check the adapter and its cable",
}
_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH, _EXPIRED, _NOT_YET_VALID = 62, 64, 10, 9  # X509_V_ERR_* of OpenSSL
_CERTIFICATE_REMEDIES: Mapping[int, str] = {
    _HOSTNAME_MISMATCH: "use the name in the certificate as the host, or give the device a certificate for this name",
    _ADDRESS_MISMATCH: "use the name in the certificate as the host, or give the device a certificate for this address",
    _EXPIRED: "renew the device's certificate, or correct this machine's clock",
    _NOT_YET_VALID: "correct this machine's clock, or the device's certificate",
}


def explain(endpoint: Endpoint, error: Exception) -> str:
    """Return one line with place, cause and remedy for what a transport raised."""
    where = place(endpoint)
    if isinstance(error, ssl.SSLError):
        return f"{where}: {_explain_tls(error)}"
    if isinstance(error, socket.gaierror):
        return f"{where}: {_explain_name(error)}"
    if isinstance(error, RuntimeError) and "thread" in str(error):
        return f"{where}: {error}: raise the limit of threads (TasksMax= of the unit), or end others"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return closed_by_the_device(endpoint)
    number = _error_number(error)
    if isinstance(error, TimeoutError) and number == 0:
        number = errno.ETIMEDOUT
    remedies = _SERIAL_REMEDIES if endpoint.device else _NETWORK_REMEDIES
    return f"{where}: {remedies.get(number) or f'{error}: check the URL and the other end'}"


def _error_number(error: Exception) -> int:
    """Return the system's error number, which some of the libraries only leave in the text; 0 for none."""
    number = getattr(error, "errno", None)
    if not number:
        found = re.search(r"\[Errno (\d+)\]|\((\d+), '", str(error))
        number = int(found[1] or found[2]) if found else 0
    return int(number)


def _explain_name(error: socket.gaierror) -> str:
    if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
        return "the host name is not known: correct it, or check this machine's name server"
    why = (error.strerror or str(error)).lower()
    remedy = "check network and name server, or give an address"
    return f"the host name cannot be looked up now ({why}): {remedy}"


def _explain_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = _CERTIFICATE_REMEDIES.get(error.verify_code, "name the certificate authority that signed it with ca=")
        return f"the device's certificate does not match ({error.verify_message.rstrip('.')}): {remedy}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "alert" in reason:
        return f"the device refused this side's certificate ({reason}): give the right ones with cert= and key="
    return f"no TLS connection ({reason}): check that the device speaks TLS on this port (else use tcp://)"


def closed_by_the_device(endpoint: Endpoint) -> str:
    """Return the line for a connection that the other end ended."""
    wants = (
        "want a client certificate (cert= and key=), " if endpoint.scheme == "tls" and not endpoint.cert_file else ""
    )
    return f"{place(endpoint)}: closed by the device: it may {wants}allow fewer connections, or be restarting"


def place(endpoint: Endpoint) -> str:
    """Return what of the URL says where: without settings, which may name files."""
    return endpoint.device or endpoint.url.partition("?")[0]


def bad_file(endpoint: Endpoint, key: str, file: str | None, error: OSError) -> str:
    """Return the line for a file of the URL's setting `key` that cannot be loaded."""
    reason = error.reason.lower().replace("_", " ") if isinstance(error, ssl.SSLError) and error.reason else None
    reason = reason or error.strerror or str(error)
    return f"{place(endpoint)}: {file} cannot be used ({reason}): correct {key} in the URL, or the file and its rights"


def for_silence(endpoint: Endpoint) -> str:
    """Return what to do where a unit gives no reply."""
    if endpoint.device:
        return "check power, wiring, unit number, baud rate and parity"
    return "check the unit number, and that the device is on"
