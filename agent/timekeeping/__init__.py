"""Which time it is: what the machine's clocks say, what is believed of them, and what waits until it is known."""

from agent.timekeeping.timekeeper import EARLIEST_NS, WAIT_S, Clocks, Step, Timekeeper

__all__ = ["EARLIEST_NS", "WAIT_S", "Clocks", "Step", "Timekeeper"]
