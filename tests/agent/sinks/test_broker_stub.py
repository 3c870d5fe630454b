import asyncio
import contextlib
import gc
import socket

import pytest

from tests.agent.sinks.broker_stub import StubBroker, serving


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_comes_as_the_broker_ends_is_closed_and_left_to_no_later_test(turns: int) -> None:
    async def come_and_end() -> socket.socket:
        async with serving(StubBroker()) as broker:
            late = socket.create_connection(("127.0.0.1", broker.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        return late

    with asyncio.run(come_and_end()) as late:
        gc.collect()
        late.settimeout(5)
        with contextlib.suppress(ConnectionResetError):  # it was never accepted
            assert late.recv(1) == b""
