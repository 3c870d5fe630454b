"""The MQTT broker inside the demo (amqtt, MQTT 3.1.1)."""

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterable

from agent.commands.outcome import CommandError


def free_port(preferred: Iterable[int] = ()) -> int:
    """Return the first of the preferred ports of this machine that is free, else any free one."""
    for port in (*preferred, 0):
        with socket.socket() as probe:
            # Without this a port would look taken for a minute after its last user has gone.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise CommandError("no free port is left on 127.0.0.1: close some programs and try again")


@contextlib.asynccontextmanager
async def broker(port: int) -> AsyncIterator[None]:
    """Run the broker for as long as the block lasts."""
    try:
        from amqtt.broker import Broker
    except ImportError as error:
        raise CommandError("the demo's broker is not installed: pip install 'energy-agent[demo]'") from error
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    running = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await running.start()
    try:
        yield
    finally:
        await running.shutdown()
