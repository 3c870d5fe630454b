import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.overdue import Overdue


def frame(number: int, size: int = 5) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0" + size.to_bytes(2, "big") + bytes(range(size))


def expecting(*numbers: int) -> Overdue:
    overdue = Overdue()
    for number in numbers:
        overdue.add(number)
    return overdue


def test_a_late_reply_is_taken_out_once() -> None:
    overdue = expecting(7)

    assert overdue.rest(frame(8)) == frame(8)
    assert overdue.rest(frame(7) + frame(8)) == frame(8)
    assert overdue.rest(frame(7)) == frame(7)


def test_a_late_reply_behind_the_one_waited_for_is_taken_out_too() -> None:
    overdue = expecting(7, 9)

    assert overdue.behind(frame(8)[:5]) == frame(8)[:5]
    assert overdue.behind(frame(8) + frame(7) + frame(9)[:3]) == frame(8)
    assert overdue.rest(frame(9)[3:] + frame(10)) == frame(10)
    assert overdue.behind(frame(8) + frame(7)) == frame(8) + frame(7)


def test_a_number_used_again_is_no_longer_late() -> None:
    overdue = expecting(7)
    overdue.forget(7)

    assert overdue.rest(frame(7)) == frame(7)


@pytest.mark.parametrize("head", [b"\0\7\0\1\0\5", b"\0\7\0\0\0\2", b"\0\7\0\0\0\xff"])
def test_what_has_no_sound_header_is_not_late_but_wrong(head: bytes) -> None:
    assert expecting(7).rest(head + bytes(300)) == head + bytes(300)


def test_no_more_numbers_are_kept_than_can_matter() -> None:
    overdue = expecting(*range(1000))

    assert overdue.rest(frame(5)) == frame(5)
    assert overdue.rest(frame(990)) == b""


@given(st.lists(st.integers(1, 9), max_size=6, unique=True), st.integers(3, 20), st.data())
def test_in_whatever_pieces_it_comes_only_what_is_late_is_taken(
    numbers: list[int], size: int, data: st.DataObject
) -> None:
    late = numbers[: data.draw(st.integers(0, len(numbers)))]
    overdue = expecting(*late)
    stream = b"".join(frame(number, size) for number in late) + frame(1000, size)
    rest = b""
    while stream:
        piece = data.draw(st.integers(1, len(stream)))
        rest += overdue.rest(stream[:piece]) if not rest else stream[:piece]
        stream = stream[piece:]

    assert rest == frame(1000, size)
