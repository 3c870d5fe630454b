from collections import Counter
from itertools import pairwise

import pytest

from drivers.transaction import Transactions


def apart(one: int, other: int) -> int:
    return min((one - other) % 65536, (other - one) % 65536)


def test_no_number_is_near_one_of_the_last_sixty_four() -> None:
    transactions = Transactions()
    drawn = [transactions.draw() for _ in range(3000)]

    assert min(apart(drawn[at], old) for at in range(3000) for old in drawn[max(0, at - 64) : at]) > 64


def test_numbers_fit_their_field_and_are_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([0, 0xFFFF, 0x0001, 0x0203])
    monkeypatch.setattr("drivers.transaction._at_random", lambda: next(given))
    transactions = Transactions()

    assert [transactions.draw(), transactions.draw()] == [0xFFFF, 0x0203]  # 1 follows 65,535


def test_the_next_number_cannot_be_told_from_the_last() -> None:
    transactions = Transactions()
    drawn = [transactions.draw() for _ in range(3000)]
    steps = Counter((after - before) % 65536 for before, after in pairwise(drawn))

    assert steps.most_common(1)[0][1] < 10
    assert len({Transactions().draw() for _ in range(20)}) > 10
