"""The form of a bundle: an uncompressed tar of which every byte follows from its members, their order and a signature.

Members are SHA256SUMS, SHA256SUMS.sig, manifest.json and then those that the manifest lists, in its order. The
signature is of SHA256SUMS, which names the manifest and every member, so that `sha256sum` and `openssl` can check a
bundle by hand. Heads of members have no times, owners or rights of their own (POSIX.1-1988 ustar).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import rfc8785

from drivers.value import frozen

SCHEMA = "energy-agent/bundle/1"
SUMS, SIGNATURE, MANIFEST = "SHA256SUMS", "SHA256SUMS.sig", "manifest.json"
PUBLIC_KEY = "public-key.pem"
BLOCK = 512
END = bytes(2 * BLOCK)
"""What stands behind the last member."""
SIGNATURE_BYTES = 64
LARGEST_MEMBER = 8**11 - 1
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")
_LONGEST_PATH = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OWN = frozenset({SUMS, SIGNATURE, MANIFEST})

NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What values may do to those who add them up: whoever has a key can sign anything."""

Head = Mapping[str, Any]
"""What a manifest says besides its members."""


class BundleError(Exception):
    """Raised when a bundle cannot be written or read; its text is one line."""


@frozen
class Member:
    """A file of a bundle; `sha256` in lower-case hex."""

    path: str
    size: int
    sha256: str


@frozen
class Manifest:
    """What a bundle says it holds."""

    head: Head
    members: tuple[Member, ...]

    def encode(self) -> bytes:
        """Return it as RFC 8785 JSON."""
        members: list[Any] = [{"path": each.path, "size": each.size, "sha256": each.sha256} for each in self.members]
        return rfc8785.dumps({**self.head, "members": members})

    def sums(self, digest: str) -> bytes:
        """Return SHA256SUMS; `digest` is the manifest's own."""
        lines = [f"{digest}  {MANIFEST}\n", *(f"{each.sha256}  {each.path}\n" for each in self.members)]
        return "".join(lines).encode()

    @classmethod
    def parse(cls, content: bytes) -> "Manifest":
        """Return a manifest as it was encoded; raise BundleError saying what is wrong with any other."""
        try:
            found = orjson.loads(content)
            members = tuple(_member(each) for each in found.pop("members"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"is no manifest ({error})") from error
        manifest = cls(found, members)
        if found.get("schema") != SCHEMA:
            raise BundleError(f"is no manifest of {SCHEMA}")
        if len({each.path for each in members}) < len(members):
            raise BundleError("names a member twice")
        if manifest.encode() != content:
            raise BundleError("is not in the form of RFC 8785")
        return manifest


def _member(found: Any) -> Member:
    member = Member(**found)
    if not usable(member.path) or type(member.size) is not int or not 0 <= member.size <= LARGEST_MEMBER:
        raise BundleError("names a member that cannot be")
    if not _DIGEST.fullmatch(member.sha256):
        raise BundleError(f"has no SHA-256 of {member.path}")
    return member


def usable(path: str) -> bool:
    """Return whether a member may have this path: it never leads out of the folder that a bundle is unpacked in."""
    return len(path) <= _LONGEST_PATH and bool(_PATH.fullmatch(path)) and path not in _OWN


def header(path: str, size: int) -> bytes:
    """Return the head of a member."""
    fields = (
        (path.encode(), 100), (b"0000644\0", 8), (b"0000000\0", 8), (b"0000000\0", 8), (b"%011o\0" % size, 12),
        (b"00000000000\0", 12), (b" " * 8, 8), (b"0", 1), (b"", 100), (b"ustar\0", 6), (b"00", 2), (b"", 64),
        (b"0000000\0", 8), (b"0000000\0", 8), (b"", 167),
    )  # fmt: skip
    block = b"".join(content.ljust(length, b"\0") for content, length in fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def parse_header(block: bytes) -> tuple[str, int] | None:
    """Return path and size of a member from its head, None for anything that this program would not have written."""
    try:
        path, size = block[:100].rstrip(b"\0").decode(), int(block[124:135], 8)
    except ValueError:
        return None
    return (path, size) if size >= 0 and header(path, size) == block else None


def padding(size: int) -> int:
    """Return the number of zero bytes behind a member."""
    return -size % BLOCK


def offsets(sizes: Sequence[int]) -> list[int]:
    """Return where the content of each member begins, and at last where the end begins."""
    found, position = [], 0
    for size in sizes:
        found.append(position + BLOCK)
        position += BLOCK + size + padding(size)
    return [*found, position]
