import sys
import tracemalloc

from drivers.reading import Block, Exchange, Outcome
from drivers.recent import Recent
from drivers.transaction import Transactions

BLOCK = Block(3, 0, 1)


def exchange(outcome: Outcome, number: int = 0) -> Exchange:
    return Exchange("line", 1, BLOCK, b"", b"", b"", number, number, number, outcome)


def test_of_what_went_well_only_the_number_is_kept() -> None:
    recent = Recent()
    for _ in range(5):
        recent.add(exchange(Outcome.OK))

    assert list(recent) == [None] * 5


def test_the_latest_thirty_two_are_kept_and_what_failed_among_them_in_order() -> None:
    recent = Recent()
    failed = [exchange(Outcome.NO_REPLY, number) for number in range(40)]
    for each in failed:
        recent.add(each)
    assert list(recent) == failed[-32:]

    for _ in range(30):
        recent.add(exchange(Outcome.OK))
    assert list(recent) == [None] * 30 + failed[-2:]

    recent.add(failed[0])
    assert list(recent) == [None] * 30 + [failed[-1], failed[0]]


def test_a_line_that_is_well_grows_no_further() -> None:
    Transactions().draw()  # what all lines share is made by the first
    tracemalloc.start()
    recent, transactions = Recent(), Transactions()
    for _ in range(1000):
        recent.add(exchange(Outcome.OK))
        transactions.draw()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 1000
    assert sys.getsizeof(recent) < 100
