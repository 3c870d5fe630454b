"""What is known from elsewhere, against which records are held."""

from collections.abc import Collection, Sequence

from cryptography.x509 import Certificate

from agent.audit.outside import OutsideSeal
from drivers.value import frozen


@frozen
class Trusted:
    """Public keys (`ed25519:…`), and seals as they were received outside; None where no file of them was given."""

    keys: Sequence[str] = ()
    seals: Sequence[OutsideSeal] | None = None
    authorities: Sequence[Sequence[Certificate]] = ()
    """Of time stamps: of each file the certificates."""

    def seals_of(self, sites: Collection[str]) -> Sequence[OutsideSeal]:
        """Return the seals of these sites, for a centre saves those of all its sites in one file."""
        return [seal for seal in self.seals or () if seal.body.get("site") in sites]

    def keys_of(self, site: object) -> set[str]:
        """Return the keys, and those of the seals of a site; of all seals where none is of it.

        So records are not freed of the keys that are trusted by another name.
        """
        seals = self.seals_of([str(site)]) or self.seals or ()
        return {*self.keys, *(str(seal.body["public_key"]) for seal in seals)}
