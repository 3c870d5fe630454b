"""Load and efficiency of a motor from its input power (GB/T 12497-2006, unverified).

``P1 = b PN + P0 + b² (PN (1/eN - 1) - P0)`` with the load rate b = P2/PN, the rated power PN and efficiency eN and the
no-load power P0; the efficiency at that load is b PN / P1. The iteration ``b = P1 e(b) / PN`` ends at the root of
this quadratic, which is solved here.
"""

import math

from agent.equipment.errors import NoFigureError
from drivers.value import frozen

NORM = "GB/T 12497-2006"
TABLE = "GB 18613-2020"


@frozen
class Motor:
    """Nameplate of a motor: rated power and input power without load [kW], rated efficiency [%]."""

    rated_kw: float
    rated_efficiency_percent: float
    no_load_kw: float

    @property
    def rated_losses_kw(self) -> float:
        """All losses at rated power [kW]."""
        return self.rated_kw * (100 / self.rated_efficiency_percent - 1)

    def load_rate(self, input_kw: float) -> float:
        """Return output power by rated power, 0 while the shaft is free; raise NoFigureError while it is off."""
        if input_kw <= 0:
            raise NoFigureError("it is off")
        above = max(0.0, input_kw - self.no_load_kw)
        growing = self.rated_losses_kw - self.no_load_kw
        # The root of the quadratic in the form that stays exact where it is almost linear.
        return 2 * above / (self.rated_kw + math.sqrt(self.rated_kw**2 + 4 * growing * above))

    def efficiency(self, input_kw: float) -> float:
        """Return output by input power; raise NoFigureError while it is off."""
        return self.load_rate(input_kw) * self.rated_kw / input_kw
