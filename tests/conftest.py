"""What all tests need: no clock is waited for, however shortly the machine has been up and whoever synchronises it.

What talks to devices and brokers is tested on both event loops: the agent's, which is uvloop's, and asyncio's own,
on which the other commands do.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from agent.process.threads import Loop
from agent.timekeeping.clock import WAIT_VARIABLE

os.environ[WAIT_VARIABLE] = "0"

_ON_BOTH_LOOPS = ("drivers", "agent/sinks")
_LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": Loop,
}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops on which a test is run."""
    here = Path(__file__).parent
    both = any(item.path.is_relative_to(here / folder) for folder in _ON_BOTH_LOOPS)
    return _LOOPS if both else {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """Put back what a command run within a test has left: whatever is started later inherits an ignored SIGINT."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
