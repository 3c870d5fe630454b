"""Documents that were kept: profiles and factor sets as they were, to be used in place of those installed now."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.value import frozen


@frozen
class KeptDocuments:
    """Files to read in place of the catalogue, the packaged factor sets and what stands beside the configuration."""

    profiles: Mapping[str, Path]
    """By the name that the configuration gives."""
    factors: Sequence[Path]
    """All factor sets there were."""
