"""What records rest on: the program, the configuration, the profiles, the factor sets, the key, the capture files."""

import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from agent import __version__
from agent.audit.documents import digest_of
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.record import rfc3339
from drivers.capture import Closed, Removed
from drivers.value import frozen

SCHEMA = "energy-agent/evidence/1"
PROGRAM = "energy-agent"
_ROOT = Path(__file__).parents[2]
_PACKAGES = ("agent", "drivers")
_NOTHING: Mapping[str, object] = {}


@frozen
class Item:
    """Something that records rest on: `says` is what its record says of it, `content` the document, if it is one."""

    what: str
    name: str
    says: Mapping[str, object] = field(default_factory=dict)
    content: bytes | None = None

    def body(self, site: str, time_ns: int) -> dict[str, object]:
        """Return the body of its record."""
        head = {"schema": SCHEMA, "site": site, "time": rfc3339(time_ns), "what": self.what, "name": self.name}
        return head | dict(self.says)


def software() -> Item:
    """Return the program as it is installed: versions, and a list of its files as `sha256sum` writes it."""
    files = sorted(
        path
        for package in _PACKAGES
        for path in (_ROOT / package).rglob("*")
        if path.suffix in {".py", ".toml"} and path.is_file()
    )
    lines = [f"{digest_of(path.read_bytes()).partition(':')[2]}  {path.relative_to(_ROOT)}\n" for path in files]
    said = {"version": __version__, "python": platform.python_version(), "packages": _packages()}
    return _document("software", PROGRAM, "".join(lines).encode(), said)


def of_configuration(config: SiteConfig, library: FactorLibrary) -> list[Item]:
    """Return the configuration and every file that accounts depend on beside it, as they were when they were read."""
    items = [_document("configuration", config.path.name, config.content)]
    profiles = {section.profile: config.profiles[section.name].content for section in config.devices}
    items += [_document("profile", name, content) for name, content in sorted(profiles.items())]
    for summary in library.sets():
        found = library.get(summary.id)
        path = Path(found.file)
        own = {} if path.is_relative_to(_ROOT / "agent" / "carbon") else {"file": path.name}
        items.append(_document("factors", summary.id, found.content, {"version": summary.version, **own}))
    return items


def of_key(public: str) -> Item:
    """Return the key seals are signed with (`ed25519:…`)."""
    return Item("key", "seals", {"public_key": public})


def of_capture(file: Closed) -> Item:
    """Return a capture file that was closed."""
    times = {"first": file.first_ns, "last": file.last_ns}
    said = {key: rfc3339(time_ns) for key, time_ns in times.items() if time_ns}
    digest = f"sha256:{file.sha256.removeprefix('sha256:')}"
    return Item("capture", file.path.name, {"digest": digest, "size": file.size, "exchanges": file.exchanges, **said})


def of_removed(file: Removed) -> Item:
    """Return a capture file that had to make room."""
    return Item("capture_removed", file.path.name, {"size": file.size})


def _document(what: str, name: str, content: bytes, says: Mapping[str, object] = _NOTHING) -> Item:
    return Item(what, name, {"digest": digest_of(content), "size": len(content), **says}, content)


def _packages() -> dict[str, str]:
    return dict(_versions())


def _versions() -> Iterator[tuple[str, str]]:
    """Yield what the program needs and has, by name."""
    from importlib.metadata import PackageNotFoundError, requires, version  # noqa: PLC0415 -- not while an agent starts

    try:
        needed = requires(PROGRAM) or []
    except PackageNotFoundError:
        return
    for line in sorted(needed):
        found = re.match(r"[A-Za-z0-9._-]+", line)
        if found and "extra ==" not in line:
            try:
                yield found[0].lower(), version(found[0])
            except PackageNotFoundError:
                continue
