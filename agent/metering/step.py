"""What lies between two readings of a counter, worked out once for all rules."""

from agent.metering.amount import Reading, elapsed_ns, quanta
from drivers.value import frozen, travelling


@travelling
@frozen
class Step:
    """From the last accepted reading to another: the time [ns], the level before and the rise [quanta]."""

    last: Reading
    reading: Reading
    passed_ns: int
    level: int
    rise: int


def step_between(last: Reading, reading: Reading, passed_ns: int | None = None) -> Step:
    """Return the step between two readings that can be booked; raise ValueError for others.

    `passed_ns` is the time between them where that is known already.
    """
    level = quanta(last.value)
    passed_ns = elapsed_ns(last, reading) if passed_ns is None else passed_ns
    return Step(last, reading, passed_ns, level, quanta(reading.value) - level)
