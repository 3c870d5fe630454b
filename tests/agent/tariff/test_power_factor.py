"""The table of 功率因数调整电费办法, (83)水电财字第215号."""

from decimal import Decimal

import pytest

from agent.tariff.power_factor import STANDARDS, adjustment, mean_power_factor

AS_PRINTED = {
    "0.90": "1.00 -0.75, 0.95 -0.75, 0.94 -0.6, 0.93 -0.45, 0.92 -0.3, 0.91 -0.15, 0.90 0, 0.89 0.5, 0.80 5, 0.71 9.5, "
    "0.70 10, 0.69 11, 0.66 14, 0.65 15, 0.64 17, 0.60 25, 0.52 41",
    "0.85": "1.00 -1.1, 0.94 -1.1, 0.93 -0.95, 0.92 -0.8, 0.91 -0.65, 0.90 -0.5, 0.86 -0.1, 0.85 0, 0.84 0.5, 0.75 5, "
    "0.66 9.5, 0.65 10, 0.64 11, 0.61 14, 0.60 15, 0.59 17, 0.55 25",
}
"""Mean power factor and adjustment [%] by standard."""


@pytest.mark.parametrize("standard", AS_PRINTED)
def test_each_step_of_the_table_is_the_printed_one(standard: str) -> None:
    for step in AS_PRINTED[standard].split(", "):
        power_factor, percent = map(Decimal, step.split())
        assert adjustment(Decimal(standard), power_factor) == percent, step


def test_a_better_power_factor_never_costs_more() -> None:
    for standard in STANDARDS:
        steps = [adjustment(standard, Decimal(hundredth) / 100) for hundredth in range(1, 101)]
        assert steps == sorted(steps, reverse=True)


def test_only_the_standard_that_was_seen_in_the_document_counts_as_verified() -> None:
    assert [STANDARDS[Decimal(text)].verified for text in ("0.90", "0.85")] == [True, False]


@pytest.mark.parametrize(
    ("active", "reactive", "expected"),
    [
        (162_000, 60_000, "0.94"),  # 162/√(162² + 60²) = 162/172.754 = 0.9378
        (3, 4, "0.60"),
        (100, 0, "1.00"),
        (0, 5, "0.00"),
        (19, 6, "0.95"),  # 19/√397 = 0.95358
    ],
)
def test_the_mean_power_factor_is_rounded_to_hundredths(active: int, reactive: int, expected: str) -> None:
    found = mean_power_factor(active * 10**6, reactive * 10**6)
    assert found == Decimal(expected)


def test_half_a_hundredth_is_rounded_up_and_just_less_is_not() -> None:
    # P/S = 0.945 exactly for P = 189, Q² = 200² - 189² (scaled): no floating point decides over money.
    scale = 10**18
    reactive = int((Decimal(200 * 200 - 189 * 189) * scale * scale).sqrt())
    assert mean_power_factor(189 * scale, reactive) == Decimal("0.95")
    assert mean_power_factor(189 * scale, reactive + 10**3) == Decimal("0.94")


def test_without_energy_there_is_no_power_factor() -> None:
    assert mean_power_factor(0, 0) is None
