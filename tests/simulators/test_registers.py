import math
from functools import partial
from pathlib import Path

import pytest

from drivers.codec import Codec
from drivers.plan import plan
from drivers.profile import Profile
from drivers.profile_file import catalogue, load_profile
from drivers.quantity import Kind
from drivers.reading import Block, Exchange, Outcome
from simulators.registers import Refusal, Registers

PROFILE = """
model = "test"
kind = "plc"
source = "this test"
function = 3
type = "uint16"
max_registers = 20
max_gap = 2
holes = [{ address = 11, count = 1 }]

[identity]
address = 0x1000
count = 2
expect = "0102 0304"

[points]
active_energy_import = { address = 0, type = "uint32", scale = 0.1, unit = "kWh", counter = { bits = 32 } }
gas_volume = { address = 2, type = "uint16", scale = 0.1, unit = "Nm3", counter = { limit = 999.9 } }
temperature = { address = 5, type = "int16", scale = 0.1, unit = "°C" }
pressure = { address = 10, unit = "kPa" }
level = { address = 12, unit = "%" }
running = { address = 3, function = 1 }
fault = { address = 5, function = 1 }
"""


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "test.toml").write_text(PROFILE, encoding="utf-8")
    return load_profile("test.toml", relative_to=tmp_path)


def refused(registers: Registers, function: int, address: int, count: int) -> int:
    with pytest.raises(Refusal) as caught:
        registers.read(Block(function, address, count))
    return caught.value.code


def test_values_stand_where_the_profile_says_and_gaps_read_as_zero(profile: Profile) -> None:
    registers = Registers(profile, lambda: {"active_energy_import": 6553.7, "gas_volume": 1.0, "temperature": -1.5})

    assert registers.read(Block(3, 0, 6)).hex() == "00010001" + "000a" + "0000" + "0000" + "fff1"


def test_bits_are_packed_from_the_lowest_on(profile: Profile) -> None:
    registers = Registers(profile, lambda: {"running": 1.0, "fault": 1.0})

    assert registers.read(Block(1, 3, 3)) == b"\x05"


def test_holes_wide_gaps_and_the_outside_are_illegal_addresses(profile: Profile) -> None:
    registers = Registers(profile, dict)

    assert refused(registers, 3, 10, 3) == 2  # over a declared hole
    assert refused(registers, 3, 5, 6) == 2  # over a gap of four
    assert refused(registers, 3, 12, 2) == 2
    assert refused(registers, 3, 65535, 2) == 2
    assert refused(registers, 4, 0, 1) == 2
    assert registers.read(Block(3, 12, 1)) == b"\x00\x32"


def test_counts_beyond_the_device_are_illegal_values(profile: Profile) -> None:
    registers = Registers(profile, dict)

    assert refused(registers, 3, 0, 0) == 3
    assert refused(registers, 3, 0, 21) == 3
    assert refused(registers, 1, 0, 2001) == 3


def test_the_identity_is_served(profile: Profile) -> None:
    assert Registers(profile, dict).read(Block(3, 0x1000, 2)).hex() == "01020304"


def test_counters_are_cut_off_and_wrap_like_the_device(profile: Profile) -> None:
    for value, raw in ((999.99, 9999), (1000.0, 0), (1000.19, 1), (12345.67, 3456)):
        registers = Registers(profile, partial(dict, gas_volume=value))
        assert int.from_bytes(registers.read(Block(3, 2, 1)), "big") == raw

    registers = Registers(profile, lambda: {"active_energy_import": 2**32 * 0.1 + 0.25})
    assert registers.read(Block(3, 0, 2)).hex() == "00000002"


def test_a_moment_lasts_until_the_next_refresh(profile: Profile) -> None:
    now = {"temperature": 20.0}
    registers = Registers(profile, lambda: now)
    now["temperature"] = 30.0

    before = registers.read(Block(3, 5, 1))
    registers.refresh()

    assert (before, registers.read(Block(3, 5, 1))) == (b"\x00\xc8", b"\x01\x2c")


def test_a_value_that_does_not_fit_is_an_error_and_never_another_value(profile: Profile) -> None:
    with pytest.raises(ValueError, match="temperature"):
        Registers(profile, lambda: {"temperature": 4000.0})


@pytest.mark.parametrize("name", catalogue())
def test_every_profile_of_the_catalogue_is_served_and_reads_back_as_good_values(name: str) -> None:
    profile = load_profile(name)
    registers = Registers(profile, dict)
    blocks = plan(profile, every_s=1.0)
    exchanges = {
        planned.block: Exchange("", 1, planned.block, b"", b"", registers.read(planned.block), 0, 1, 2, Outcome.OK)
        for planned in blocks
    }

    frame = Codec(profile, blocks).decode("device", exchanges)

    for point, value, quality in zip(profile.points, frame.values, frame.quality, strict=True):
        if point.quantity and point.quantity.kind is not Kind.TEXT:
            assert (point.name, quality) == (point.name, 0)
            assert math.isfinite(value)
