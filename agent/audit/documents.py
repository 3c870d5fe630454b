"""Documents by their digest: the text of everything that evidence names, so that it can be handed out later."""

import hashlib
import os
import re
import secrets
from pathlib import Path

from agent.store.place import sync
from drivers.regular_file import read_regular

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def digest_of(content: bytes) -> str:
    """Return the digest a document is named by."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Documents:
    """A folder with one file for each document, named by the hex of its SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return where a document is kept; raise ValueError for what is no digest."""
        found = _DIGEST.fullmatch(digest)
        if not found:
            raise ValueError(f"'{digest}' is no digest")
        return self.folder / found[1]

    def keep(self, content: bytes) -> str:
        """Keep a document; return its digest. Raises OSError when the disk is at fault."""
        digest = digest_of(content)
        place = self.path(digest)
        if self.find(digest) is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            beside = self.folder / f".{secrets.token_hex(8)}"
            try:
                with beside.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(place)
            finally:
                beside.unlink(missing_ok=True)
            sync(self.folder)
        return digest

    def find(self, digest: str) -> bytes | None:
        """Return a document that is as it was kept, None where there is none; raise OSError when the disk fails."""
        try:
            content = read_regular(self.path(digest))
        except FileNotFoundError:
            return None
        return content if digest_of(content) == digest else None
