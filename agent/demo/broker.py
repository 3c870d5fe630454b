"""The MQTT broker inside the demo (amqtt, MQTT 3.1.1)."""

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from agent.commands.outcome import CommandError
from agent.demo.ports import free_port

if TYPE_CHECKING:
    from amqtt.broker import Broker

MQTT_PORTS = (1883, 11883)
_ATTEMPTS = 5
"""So many ports may be lost to programs that start at the same time."""


@contextlib.asynccontextmanager
async def broker() -> AsyncIterator[int]:
    """Run the broker for as long as the block lasts, and give its port."""
    running, port = await _started()
    try:
        yield port
    finally:
        await running.shutdown()


async def _started() -> tuple["Broker", int]:
    """Start a broker; at another port when one is lost to another program between the look at it and the start."""
    try:
        from amqtt.broker import Broker
        from amqtt.errors import BrokerError
    except ImportError as error:
        raise CommandError("the demo's broker is not installed: pip install 'energy-agent[demo]'") from error
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for _ in range(_ATTEMPTS):
        port = free_port(MQTT_PORTS)
        running = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        try:
            await running.start()
        except BrokerError as error:
            failure = error
        else:
            return running, port
    raise CommandError(f"the demo's broker cannot be started: {failure}") from failure
