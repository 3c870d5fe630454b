"""The adjustment of the bill by the mean power factor of a month.

Source: 功率因数调整电费办法, (83)水电财字第215号. The steps for the standard 0.90 were seen in a text that quotes them;
those for 0.85 agree with published tables but were not checked against the document.
"""

from decimal import ROUND_HALF_UP, Decimal, localcontext

from drivers.value import frozen

NORM = "(83)水电财字第215号"
_HUNDREDTH = Decimal("0.01")
_DIGITS = 50
"""The sum of squares of two amounts in millionths has at most 40 digits."""


@frozen
class Standard:
    """One column of the table, all in percent points per 0.01 of power factor.

    From `value` up, bonuses of `step` percent down to where the next one begins; below `value`, a surcharge of 0.5 %
    per 0.01 until it is 10 %, then 1 % until it is 15 %, then 2 %.
    """

    value: Decimal
    bonuses: tuple[tuple[Decimal, Decimal], ...]
    """(up to this power factor, so much less [%] for each 0.01)."""
    verified: bool


STANDARDS: dict[Decimal, Standard] = {
    standard.value: standard
    for standard in (
        Standard(Decimal("0.90"), ((Decimal("0.95"), Decimal("0.15")),), verified=True),
        Standard(
            Decimal("0.85"),
            ((Decimal("0.90"), Decimal("0.1")), (Decimal("0.94"), Decimal("0.15"))),
            verified=False,
        ),
    )
}
_SURCHARGES = ((20, Decimal("0.5")), (5, Decimal(1)), (100, Decimal(2)))
"""(so many hundredths, so much more [%] for each of them), from the standard downwards."""


def mean_power_factor(active: int, reactive: int) -> Decimal | None:
    """Return P / √(P² + Q²) of two energies in the same unit, rounded to 0.01; None when both are zero.

    The reactive energy counts whole, whichever way it flowed.
    """
    if not active and not reactive:
        return None
    with localcontext(prec=_DIGITS):
        apparent = Decimal(active * active + reactive * reactive).sqrt()
        return (abs(active) / apparent).quantize(_HUNDREDTH, ROUND_HALF_UP)


def adjustment(standard: Decimal, power_factor: Decimal) -> Decimal:
    """Return by how much a bill changes [%] at a mean power factor that is rounded to 0.01; below zero it shrinks."""
    column = STANDARDS[standard]
    changed = Decimal(0)
    if power_factor >= standard:
        start = standard
        for end, step in column.bonuses:
            changed -= max(Decimal(0), min(power_factor, end) - start) / _HUNDREDTH * step
            start = end
        return changed
    below = int((standard - power_factor) / _HUNDREDTH)
    for hundredths, step in _SURCHARGES:
        part = min(below, hundredths)
        changed += part * step
        below -= part
    return changed
