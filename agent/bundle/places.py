"""Where captures lie: in the folder of the configuration, in those of earlier ones, and where somebody moved them."""

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.audit.documents import Documents
from agent.config import SiteConfig
from agent.sections.site import CaptureSection, StoreSection
from drivers.capture import CaptureError
from drivers.capture.reader import capture_files
from drivers.regular_file import open_regular

Body = Mapping[str, Any]
_PIECE = 1 << 20


class CapturePlaces:
    """Folders in which captures of a site may lie.

    Of files of one name those count that records name by their digest, else the first.
    """

    def __init__(self, folders: Iterable[Path], recorded: Iterable[object] = ()) -> None:
        """Look into `folders`; `recorded` are the digests (`sha256:…`) of captures that records tell of."""
        self.folders = [*dict.fromkeys(folders)]
        self.sound: dict[object, Path] = {}
        """Files by digest that were found to be those of it."""
        self.recorded = frozenset(recorded)
        """Digests of captures that records tell of."""

    def __str__(self) -> str:
        """Return them as one lists them."""
        return ", ".join(map(str, self.folders))

    def find(self, name: str, digest: object) -> tuple[Path | None, bool]:
        """Return a file of this name, and whether it is the one of the digest; that one, if there are several.

        None where there is none. Raises OSError for one that cannot be read.
        """
        there: Path | None = None
        for path in (folder / name for folder in self.folders):
            try:
                right = sha256_of(path) == digest
            except FileNotFoundError:
                continue
            if right:
                self.sound[digest] = path
                return path, True
            there = there or path
        return there, False

    def files(self) -> list[Path]:
        """Return the captures, by name and so by time; raise OSError where one of several of a name cannot be read."""
        found: dict[str, list[Path]] = {}
        for path in (path for folder in self.folders for path in _captures(folder)):
            found.setdefault(path.name, []).append(path)
        return [path for _, paths in sorted(found.items()) for path in self._of_a_name(paths)]

    def _of_a_name(self, paths: list[Path]) -> list[Path]:
        if len(paths) == 1:
            return paths
        right = {digest: path for path in reversed(paths) if (digest := sha256_of(path)) in self.recorded}
        return [*right.values()][::-1] or paths[:1]


def capture_places(
    config: SiteConfig, evidence: Iterable[Body], documents: Documents, given: Sequence[Path]
) -> CapturePlaces:
    """Return the folders given, that of a configuration, and those of the configurations that evidence names."""
    digests: dict[str, dict[str, None]] = {"configuration": {}, "capture": {}}
    for each in evidence:
        digests.get(str(each.get("what")), {})[str(each.get("digest"))] = None
    earlier = (config.resolve(each) for each in _directories(digests["configuration"], documents))
    return CapturePlaces([*given, config.capture_folder, *earlier], digests["capture"])


def turned_on(config: SiteConfig) -> str:
    """Return how capturing is turned on, in words."""
    return f'to keep them from now on, write mode = "full" below [capture] in {config.path} and reload the agent'


def sha256_of(path: Path) -> str:
    """Return the digest of a file as records say it; raise OSError when it cannot be read."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _directories(digests: Iterable[str], documents: Documents) -> Iterator[str]:
    """Yield the folder for captures of each configuration that is kept."""
    for digest in digests:
        try:
            content = documents.find(digest)
            said = tomllib.loads((content or b"").decode())
            captures = CaptureSection(directory=said.get("capture", {}).get("directory"))
            store = StoreSection(path=said.get("store", {}).get("path", StoreSection().path))
        except (OSError, ValueError, AttributeError):
            continue  # no digest, no configuration, a disk that fails: documents are judged elsewhere
        if content is not None:
            yield captures.folder(store)


def _captures(folder: Path) -> list[Path]:
    try:
        return capture_files([folder]) if folder.is_dir() else []
    except (CaptureError, OSError):  # there is none in it, or none for us: those that are named are told of
        return []
