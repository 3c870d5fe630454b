"""What the agent holds against values: their age, their time, and who gave them."""

from pathlib import Path

import numpy as np
import pytest

from agent.polling.doubt import aged, reserved, stranger
from drivers.codec import Codec
from drivers.errors import LineError, NoReply
from drivers.plan import plan
from drivers.profile import Profile
from drivers.profile_file import load_profile
from drivers.reading import Block, Exchange, Outcome, Quality

_PROFILE = """
model = "two blocks"
kind = "sensor"
source = "defined by this test"
function = 3
type = "uint16"
max_gap = 0

[points]
temperature = { address = 0, unit = "°C", range = [0, 100] }
pressure    = { address = 1, unit = "kPa", range = [0, 100] }
humidity    = { address = 100, unit = "%" }
"""
S = 1_000_000_000


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "two.toml").write_text(_PROFILE, encoding="utf-8")
    return load_profile("two.toml", relative_to=tmp_path)


def read(block: Block, data: bytes, received_ns: int, outcome: Outcome = Outcome.OK) -> Exchange:
    return Exchange("hall", 1, block, b"", b"", data, received_ns, received_ns, received_ns, outcome)


def test_a_reservation_concerns_good_values_only(profile: Profile) -> None:
    planned = plan(profile, every_s=1.0)
    first, second = (item.block for item in planned)
    results: dict[Block, Exchange | LineError] = {first: read(first, b"\0\x07\xff\xff", 5 * S)}
    results[second] = NoReply("", read(second, b"", 6 * S))
    frame = Codec(profile, planned).decode("tank", results)

    doubted = reserved(frame, Quality.CLOCK_UNSYNCED)

    assert [Quality(code) for code in doubted.quality] == [
        Quality.CLOCK_UNSYNCED,
        Quality.OUT_OF_RANGE,
        Quality.COMM_LOST,
    ]
    assert doubted.values[0] == 7.0
    assert frame.quality[0] == Quality.GOOD


@pytest.mark.parametrize(("took_s", "expected"), [(3.0, Quality.GOOD), (3.1, Quality.STALE)])
def test_what_was_read_three_cadences_before_the_end_of_its_poll_is_stale(
    profile: Profile, took_s: float, expected: Quality
) -> None:
    planned = plan(profile, every_s=1.0)
    first, second = (item.block for item in planned)
    results = {first: read(first, b"\0\x07\xff\xff", 5 * S), second: read(second, b"\0\1", round((5 + took_s) * S))}
    frame = aged(Codec(profile, planned).decode("tank", results), planned, results, 1.0)

    assert [Quality(code) for code in frame.quality] == [expected, Quality.OUT_OF_RANGE, Quality.GOOD]
    assert frame.values[0] == 7.0


def test_a_stranger_gives_no_value_and_the_time_at_which_it_showed(profile: Profile) -> None:
    frame = stranger("tank", profile, read(Block(3, 200, 1), b"\0\x09", 5 * S))

    assert (frame.device, frame.time_ns, frame.monotonic_ns) == ("tank", 5 * S, 5 * S)
    assert np.isnan(frame.values).all()
    assert [Quality(code).label for code in frame.quality] == ["bad:identity_mismatch"] * 3
    assert not frame.raw
