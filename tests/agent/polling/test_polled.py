import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.polling.polled import Cadence, Lateness, PolledDevice
from drivers.profile_file import load_profile

METER = load_profile("eastron/sdm630")


def cadence(every_s: float, due_ns: int) -> Cadence:
    return Cadence(PolledDevice("meter", 1, METER, 1.0), every_s, 0, due_ns=due_ns)


def by_the_book(due_ns: int, every_ns: int, now_ns: int) -> tuple[int, int]:
    """Return the next due time and the polls left out, by going through the periods one by one."""
    following = due_ns + every_ns
    skipped = 0
    while following + every_ns <= now_ns:
        following += every_ns
        skipped += 1
    return following, skipped


@given(every_ms=st.integers(1, 60_000), start=st.integers(0, 1_000), late_ns=st.integers(-(10**9), 200 * 10**9))
def test_the_next_poll_is_the_last_one_whose_time_has_come_and_what_lies_between_is_counted(
    every_ms: int, start: int, late_ns: int
) -> None:
    every_ns = every_ms * 1_000_000
    due_ns = 1_700_000_000_000_000_000 // every_ns * every_ns + start * every_ns
    now_ns = due_ns + min(late_ns, 3_000 * every_ns)
    polled = cadence(every_ms / 1000, due_ns)

    skipped = polled.advance(now_ns)

    assert (polled.due_ns, skipped) == by_the_book(due_ns, every_ns, now_ns)
    assert polled.due_ns % every_ns == 0


@pytest.mark.parametrize(("now_ns", "due_ns"), [(0, 5), (4_999_999_999, 5), (5_000_000_000, 10), (12_345_678_901, 15)])
def test_polls_are_due_at_multiples_of_their_cadence(now_ns: int, due_ns: int) -> None:
    polled = cadence(5.0, 0)

    polled.align(now_ns)

    assert polled.due_ns == due_ns * 10**9


def test_a_device_has_one_cadence_for_each_period_of_its_points() -> None:
    device = PolledDevice("meter", 1, METER, 1.0)

    fast, slow = device.cadences

    assert (fast.every_s, slow.every_s) == (1.0, 10.0)
    assert (fast.index, slow.index) == (0, 1)
    assert {*fast.blocks} | {*slow.blocks} == {item.block for item in device.planned}
    assert len(fast.blocks) + len(slow.blocks) == len(device.planned)


def test_lateness_is_told_by_an_upper_bound_of_most_polls() -> None:
    late = Lateness()
    assert late.quantile_ms(0.99) == 0.0

    for _ in range(99):
        late.add(0.0007)
    late.add(0.9)

    assert late.quantile_ms(0.99) == 1.0
    assert late.quantile_ms(1.0) == 1024.0
    assert late.count == 100
    assert late.maximum_s == 0.9


def test_lateness_beyond_the_histogram_is_told_by_its_maximum() -> None:
    late = Lateness()
    late.add(100.0)

    assert late.quantile_ms(0.5) == 100_000.0
