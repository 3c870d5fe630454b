"""A configuration to replay with, its factors, and whether a capture was made with the same."""

from collections.abc import Sequence
from pathlib import Path

from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config import KeptDocuments, SiteConfig
from agent.config.own_factors import own_factor_files
from agent.tape.notes import Books


class Site:
    """What a ledger is made of; raises FactorFileError for factor files that are wrong."""

    def __init__(
        self, config: SiteConfig, factor_files: Sequence[Path] = (), *, kept: KeptDocuments | None = None
    ) -> None:
        """`factor_files` hold sets to use in place of, or beside, those of the configuration or those `kept`."""
        self.config = config
        own = [] if kept else own_factor_files(config.path.parent, config.carbon.factors)
        self.library = load_library([*own, *factor_files], packaged=kept.factors if kept else None)
        self.plant = config.plant()

    def ledger(self, start_ns: int, boot: str) -> Ledger:
        """Return an empty ledger."""
        return Ledger(self.config, self.library, start_ns=start_ns, boot_id=boot)

    def unlike(self, books: Books) -> list[str]:
        """Return what is another one than that with which books were kept, in words; nothing where all is the same."""
        found = []
        if books.configuration != self.config.digest:
            found.append("configuration")
        for name, digest in books.profiles.items():
            profile = self.config.profiles.get(name)
            if profile and profile.digest != digest:
                found.append(f"profile of {name}")
        versions = self.library.versions
        sets = sorted({*versions, *books.factors})
        return found + [f"factor set {name}" for name in sets if versions.get(name) != books.factors.get(name)]
