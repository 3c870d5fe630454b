"""Whether time stamps (RFC 3161) are what they are recorded as: over a seal that is here, of their time, signed.

Invariants:
- What a token says by itself needs no trust: which hash it is over, and when. Whoever made it could say anything.
- Its signature is held against the authorities that are given, as their certificates stood when it was made; no
  authority is trusted by itself, those of the system neither.
"""

import base64
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509 import Certificate

from agent.audit.finding import Finding
from agent.audit.verify import kind_of, named
from agent.metering.amount import NS_PER_S
from agent.record import EVIDENCE, SEAL, rfc3339, time_ns, unix_ns
from drivers.value import frozen

Body = Mapping[str, Any]
Authorities = Sequence[Sequence[Certificate]]
"""Those that are trusted: of each file the certificates."""
STAMP = "timestamp"
"""What evidence of a time stamp says that it is."""
MISSING = "this takes the extra 'timestamp': install it with `pip install 'energy-agent[timestamp]'`"
MOST_NAMED = 20
"""Time stamps that are told of one by one."""
_CLOCKS_APART_NS = 300 * NS_PER_S
"""The clocks of a gateway and of an authority may differ by this much."""
_GRANTED = bytes.fromhex("3003020100")
"""The status of a response that grants a time stamp (RFC 3161, 2.4.2)."""
_SEQUENCE, _LONG_FORM, _SHORT = 0x30, 0x80, 128
_SHA256 = "2.16.840.1.101.3.4.2.1"


@frozen
class Stamped:
    """A time stamp that is right by itself: who says so, when (Unix, ns), and the last record that it proves."""

    by: str
    time_ns: int
    through: int


@dataclass(slots=True)
class StampReport:
    """What is known of the time stamps among records; they hold when there are no findings."""

    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    stamps: int = 0
    """Those over any seal but the one before these records."""
    right: list[Stamped] = field(default_factory=list)
    """Those over a seal that is here, of their time, with a signature of an authority that is given, if any is."""


@frozen
class _Seal:
    """A seal by what a time stamp can prove of it: its last record, and when it was made (Unix, ns), if it is here."""

    through: int | None
    time_ns: int | None


class Stamps:
    """Takes the records of a chain in their order, and says at the end whether their time stamps hold."""

    def __init__(self) -> None:
        self._seals: dict[str, _Seal] = {}
        self._stamps: list[Body] = []

    def take(self, body: Body) -> None:
        """Take a record; only seals and time stamps matter."""
        kind = kind_of(body)
        if kind == SEAL:
            if not self._seals:
                # A part of a chain begins behind a seal, whose stamp may come later: it proves nothing of the part.
                self._seals[str(body.get("previous_seal"))] = _Seal(None, None)
            if isinstance(through := body.get("to_seq"), int):
                self._seals[str(body["hash"])] = _Seal(through, _time_of(body))
        elif kind == EVIDENCE and body.get("what") == STAMP:
            self._stamps.append(body)

    def judge(self, authorities: Authorities, *, complete: bool) -> StampReport:
        """Return whether they hold; `complete` says that no seal before the last record can be missing."""
        report = StampReport(stamps=len(self._stamps))
        library = _library() if self._stamps else None
        for body in self._stamps:
            place = named(body)
            seal = self._seals.get(str(body.get("seal")))
            if seal is None and complete:
                report.findings.append(Finding(place, f"stamps a seal that is not in the chain: {body.get('seal')}"))
            elif seal is None:
                report.remarks.append(f"{place}: the seal it stamps is not among these records")
            elif library is not None:
                try:
                    signer, at_ns = _read(library, body, authorities)
                    text = _another_time(body, seal, at_ns)
                except ValueError as error:
                    report.findings.append(Finding(place, str(error)))
                    continue
                if text:
                    report.remarks.append(f"{place}: {text}")
                elif seal.through is not None:
                    report.right.append(Stamped(signer, at_ns, seal.through))
                else:
                    report.stamps -= 1
        if self._stamps and library is None:
            report.remarks.append(f"what {len(self._stamps)} of them say: {MISSING}")
        return report


def given_authorities(path: Path) -> list[Certificate]:
    """Return the certificates of a PEM file; raise ValueError for any other file."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}): check the path and its rights") from error
    except ValueError as error:
        text = "holds no certificate: give that of the time stamping authority's root, as PEM (-----BEGIN CERTIFICATE)"
        raise ValueError(f"{path}: {text}") from error


def _read(library: Any, body: Body, authorities: Authorities) -> tuple[str, int]:
    """Return who made the token of a time stamp, and when (Unix, ns); raise ValueError saying what is wrong with it."""
    try:
        response = library.decode_timestamp_response(_response(base64.b64decode(str(body.get("token")), validate=True)))
        info = response.tst_info
        imprint = info.message_imprint
        over = f"sha256:{bytes(imprint.message).hex()}", imprint.hash_algorithm.dotted_string
        signer, made = _signer(response, body), info.gen_time.astimezone(UTC)
    except ValueError as error:
        raise ValueError(f"holds no time stamp: its token cannot be read ({error})") from error
    if over != (body.get("seal"), _SHA256):
        raise ValueError(f"names seal {body.get('seal')}, but its token is over {over[0]}")
    at_ns = unix_ns(made)
    if authorities and not _signed(library, response, authorities):
        text = f"is not signed by an authority that you gave: its signer calls itself {signer}"
        raise ValueError(f"{text}, at {rfc3339(at_ns)}")
    return signer, at_ns


def _signed(library: Any, response: Any, authorities: Authorities) -> bool:
    """Return whether a token is signed by one of the authorities, or by a chain that several files make up."""
    together = [certificate for each in authorities for certificate in each]
    # One by one first: of two of the same name, such as a root and the one that came after it, OpenSSL tries one.
    for roots in (*authorities, together):
        try:
            library.VerifierBuilder(roots=[*roots]).build().verify(
                response, bytes(response.tst_info.message_imprint.message)
            )
        except (ValueError, library.VerificationError):
            continue
        return True
    return False


def _another_time(body: Body, seal: _Seal, at_ns: int) -> str:
    """Return that a token is of another time than its record and seal say, where their clock may have been wrong.

    Empty where it is of their time; raises ValueError where somebody vouched for the clock.
    """
    recorded = _time_of(body)
    late = recorded is None or abs(at_ns - recorded) > _CLOCKS_APART_NS
    if not late and (seal.time_ns is None or seal.time_ns - at_ns <= _CLOCKS_APART_NS):
        return ""
    clock = body.get("clock")
    text = f"says {body.get('time')}, but its token was made at {rfc3339(at_ns)}"
    if isinstance(clock, Mapping) and clock.get("synchronised") is False:
        return (
            f"{text}: nobody vouched for the gateway's clock then, it was wrong if these are the records of that time"
        )
    raise ValueError(f"{text}: the records were made at another time than they say")


def _signer(response: Any, body: Body) -> str:
    """Return what the signer of a token calls itself, as its certificate says, or else its address."""
    signers = {(each.issuer, each.serial_number) for each in response.signed_data.signer_infos}
    for each in response.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(bytes(each))
        if (certificate.issuer, certificate.serial_number) in signers:
            return certificate.subject.rfc4514_string()
    return str(body.get("name"))


def _response(token: bytes) -> bytes:
    """Return a token as the response that brought it: a SEQUENCE of the status and the token (RFC 3161, 2.4.2)."""
    content = _GRANTED + token
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    head = bytes([len(content)]) if len(content) < _SHORT else bytes([_LONG_FORM | len(size)]) + size
    return bytes([_SEQUENCE]) + head + content


def _time_of(body: Body) -> int | None:
    try:
        return time_ns(str(body.get("time")))
    except ValueError:
        return None


def _library() -> Any:
    """Return what reads tokens, None where it is not installed: it is an extra."""
    try:
        return importlib.import_module("rfc3161_client")
    except ImportError:
        return None
