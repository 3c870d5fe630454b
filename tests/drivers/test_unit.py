from fractions import Fraction

import pytest

from drivers.quantity import VOCABULARY, Kind
from drivers.unit import UNITS, conversion


@pytest.mark.parametrize(
    ("symbol", "canonical", "value", "expected"),
    [
        ("W", "kW", 1500, Fraction(3, 2)),
        ("MWh", "kWh", 2, 2000),
        ("K", "°C", Fraction("298.15"), 25),
        ("°F", "°C", 212, 100),
        ("°F", "°C", -40, -40),
        ("bar", "MPa", 10, 1),
        ("bar", "kPa", 10, 1000),
        ("m3(20C)", "Nm3", 1000, Fraction(27315000, 29315)),
        ("kWh(heat)", "GJ", 1000, Fraction("3.6")),
        ("min", "h", 90, Fraction(3, 2)),
        ("kg/s", "t/h", 10, 36),
        ("L/min", "m3/h", 1000, 60),
        ("ratio", "%", Fraction("0.95"), 95),
    ],
)
def test_a_conversion_is_exact(symbol: str, canonical: str, value: Fraction, expected: Fraction) -> None:
    factor, offset = conversion(UNITS[symbol], UNITS[canonical])

    assert value * factor + offset == expected


def test_units_of_different_dimensions_do_not_convert() -> None:
    with pytest.raises(ValueError, match="kWh measures energy, not power"):
        conversion(UNITS["kWh"], UNITS["kW"])


def test_every_canonical_unit_gives_keys_that_tell_quantities_apart() -> None:
    keys = [quantity.key for quantity in VOCABULARY.values()]

    assert len(set(keys)) == len(VOCABULARY)


def test_keys_carry_the_canonical_unit() -> None:
    names = ("active_power", "active_energy_import", "steam_mass", "steam_pressure", "gas_volume", "power_factor")

    assert [VOCABULARY[name].key for name in names] == [
        "active_power_kw",
        "active_energy_import_kwh",
        "steam_mass_t",
        "steam_pressure_mpa",
        "gas_volume_nm3",
        "power_factor",
    ]


def test_keys_are_lower_case_ascii_words() -> None:
    assert all(
        quantity.key.isascii() and quantity.key == quantity.key.lower() and quantity.key.isidentifier()
        for quantity in VOCABULARY.values()
    )


def test_phases_are_quantities_of_their_own() -> None:
    assert VOCABULARY["active_power_l2"].label == "L2 active power"
    assert VOCABULARY["active_energy_import_l3"].kind is Kind.COUNTER
