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


def step_between(last: Reading, reading: Reading) -> Step:
    """Return the step between two readings that can be booked; raise ValueError for others."""
    level = quanta(last.value)
    return Step(last, reading, elapsed_ns(last, reading), level, quanta(reading.value) - level)
