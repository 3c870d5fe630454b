"""What is known from elsewhere, against which records are held."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cryptography.x509 import Certificate

from agent.audit.finding import Finding
from agent.audit.outside import OutsideSeal


@dataclass(frozen=True, slots=True)
class Trusted:
    """Public keys (`ed25519:…`), and seals as they were received outside; None where no file of them was given."""

    keys: Sequence[str] = ()
    seals: Sequence[OutsideSeal] | None = None
    wrong: Sequence[Finding] = ()
    """What is wrong in the file of the seals."""
    authorities: Sequence[Sequence[Certificate]] = ()
    """Of time stamps: of each file the certificates."""

    def seals_of(self, sites: Collection[str]) -> Sequence[OutsideSeal]:
        """Return the seals of these sites, for a centre saves those of all its sites in one file.

        Where none is of them all are returned: a chain is not freed of its seals by another name.
        """
        every = self.seals or ()
        return [seal for seal in every if seal.body.get("site") in sites] or every

    def keys_of(self, site: object) -> set[str]:
        """Return the keys, and those of the seals of a site."""
        return {*self.keys, *(str(seal.body["public_key"]) for seal in self.seals_of([str(site)]))}
