"""Which of the saved rows of the ring are taken into memory whole."""

import numpy as np

from agent.books.columns import COLUMNS
from agent.books.rows import Reader, decoded, digest, encode, thinned
from agent.metering.history import Moment

S = 10**9
MINUTE = 60 * S
NAMES = [["a/electricity", "kWh"], ["b/electricity", "kWh"]]
OTHERS = [["a/electricity", "kWh"]]
READER = Reader({digest(NAMES): NAMES, digest(OTHERS): OTHERS}, NAMES, by_minute=[1])


def saved(minute: int, *, names: list[list[str]] = NAMES, boot: str = "boot", unknown: bool = False) -> bytes:
    row = np.full((COLUMNS, len(names)), float(minute))
    if unknown:
        row[0, 0] = np.nan
    return encode(digest(names), Moment(minute * MINUTE, minute * MINUTE, boot), row, [])


def whole(stored: dict[int, bytes], *, before: int = 10**6) -> list[int]:
    """Return the minutes of which a row is whole after thinning to one every 5 minutes."""
    kept = thinned(stored.items(), READER, before_ns=before * MINUTE, grain_ns=5 * MINUTE)
    assert kept.keys() == stored.keys()
    return [time_ns // MINUTE for time_ns, row in kept.items() if row == stored[time_ns]]


def test_within_a_run_a_row_each_grain_is_whole_and_the_newest_ones_all_are() -> None:
    stored = {minute * MINUTE: saved(minute) for minute in range(30)}

    assert whole(stored) == [0, 5, 10, 15, 20, 25, 29]
    assert whole(stored, before=12) == [0, 5, 10, *range(12, 30)]


def test_the_rows_around_a_gap_a_boot_and_a_change_of_accounts_are_whole() -> None:
    gap = {minute * MINUTE: saved(minute) for minute in range(30) if minute not in (12, 13)}
    boot = {minute * MINUTE: saved(minute, boot="boot" if minute < 12 else "next") for minute in range(20)}
    accounts = {minute * MINUTE: saved(minute, names=OTHERS if minute < 12 else NAMES) for minute in range(20)}

    assert whole(gap) == [0, 5, 10, 11, 14, 15, 20, 25, 29]
    assert whole(boot) == whole(accounts) == [0, 5, 10, 11, 12, 15, 19]


def test_a_row_that_lacks_amounts_or_cannot_be_read_stands_in_for_no_other() -> None:
    stored = {minute * MINUTE: saved(minute) for minute in range(15)}
    lacking = stored | {6 * MINUTE: saved(6, unknown=True)}
    torn = stored | {6 * MINUTE: b"torn"}

    assert whole(lacking) == whole(torn) == [0, 5, 6, 7, 10, 14]


def test_of_a_row_left_out_the_moment_and_what_is_looked_at_by_the_minute_are_known() -> None:
    stored = {minute * MINUTE: saved(minute) for minute in range(5)}
    kept = thinned(stored.items(), READER, before_ns=10**6 * MINUTE, grain_ns=5 * MINUTE)

    rows, unread = decoded(kept.items(), READER)

    assert not unread
    assert [row.moment.monotonic_ns // MINUTE for row in rows] == [0, 1, 2, 3, 4]
    assert [row.row is None for row in rows] == [False, True, True, True, False]
    assert [row.by_minute.tolist() for row in rows] == [[0.0], [1.0], [2.0], [3.0], [4.0]]
    assert len(kept[MINUTE]) < 150


def test_a_row_left_out_is_not_taken_for_the_whole_row_of_fewer_accounts() -> None:
    of_one = {minute * MINUTE: saved(minute, names=OTHERS) for minute in range(5)}
    for watched in (range(COLUMNS), range(COLUMNS + 1)):  # as many numbers as the whole row of one account has, or more
        reader = Reader({digest(OTHERS): OTHERS}, NAMES, by_minute=watched)
        kept = thinned(of_one.items(), reader, before_ns=10**6 * MINUTE, grain_ns=5 * MINUTE)

        rows, unread = decoded(kept.items(), reader)

        assert not unread
        assert [row.row is None for row in rows] == [False, True, True, True, False]
        assert [len(row.by_minute) for row in rows] == [len(watched)] * 5
