"""What is known from elsewhere, against which records are held."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.audit.finding import Finding
from agent.audit.outside import OutsideSeal


@dataclass(frozen=True, slots=True)
class Trusted:
    """Public keys (`ed25519:…`), and seals as they were received outside; None where no file of them was given."""

    keys: Sequence[str] = ()
    seals: Sequence[OutsideSeal] | None = None
    wrong: Sequence[Finding] = ()
    """What is wrong in the file of the seals."""

    @property
    def anything(self) -> bool:
        """Whether there is anything from outside."""
        return bool(self.keys) or self.seals is not None

    @property
    def all_keys(self) -> set[str]:
        """The keys, and those of the seals."""
        return {*self.keys, *(str(seal.body["public_key"]) for seal in self.seals or ())}
