"""Load, losses and best load of a transformer (GB/T 13462, unverified).

``dP = P0 + b² Pk`` with the load rate b = S/SN; least losses per energy carried at ``b = sqrt(P0 / (Kt Pk))``, where Kt
is the load fluctuation loss factor: mean square by squared mean of the load.
"""

import math

from drivers.value import frozen

NORM = "GB/T 13462"
TABLE = "GB 20052-2024"


@frozen
class Transformer:
    """Nameplate of a transformer: capacity [kVA], losses without load and at rated load [kW]."""

    capacity_kva: float
    no_load_kw: float
    load_kw: float

    def load_rate(self, apparent_kva: float) -> float:
        """Return the load by the capacity."""
        return apparent_kva / self.capacity_kva

    def loss_kw(self, apparent_kva: float) -> float:
        """Return the losses at a load [kW]."""
        return self.no_load_kw + self.load_rate(apparent_kva) ** 2 * self.load_kw

    def best_load_rate(self, fluctuation: float) -> float:
        """Return the mean load rate at which least is lost of what is carried."""
        return math.sqrt(self.no_load_kw / (fluctuation * self.load_kw))
