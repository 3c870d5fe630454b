import logging
import socket

import pytest

from agent.commands.outcome import CommandError
from agent.demo import broker as module
from agent.demo.broker import broker
from agent.demo.ports import free_port
from tests.servers import free_port as unused_port

pytestmark = pytest.mark.integration


def test_usual_ports_are_preferred_and_taken_ones_passed_over() -> None:
    usual = unused_port()

    assert free_port([usual]) == usual
    with socket.socket() as other:
        other.bind(("127.0.0.1", usual))
        assert free_port([usual]) != usual


async def test_a_broker_whose_port_is_lost_at_the_last_moment_takes_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        mine = unused_port()
        looks = iter((other.getsockname()[1], mine))
        monkeypatch.setattr(module, "free_port", lambda _: next(looks))

        async with broker() as port:
            assert port == mine
            assert free_port([port]) != mine  # somebody listens there: the broker


async def test_a_broker_that_never_gets_a_port_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(module, "free_port", lambda _: other.getsockname()[1])

        with pytest.raises(CommandError, match="cannot be started"):
            async with broker():
                pass

    assert logging.getLogger("amqtt").level == logging.CRITICAL
