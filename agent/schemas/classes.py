"""The message classes: where each is published, how, and what it holds."""

from collections.abc import Mapping

from pydantic import BaseModel

from agent.schemas.account import Interval, Rollup, Window
from agent.schemas.agent import Gap, Health, Status
from agent.schemas.device import Alarm, Event, Meta, State, Telemetry
from agent.schemas.figure import Figure
from agent.schemas.proof import Proof, Seal
from drivers.value import frozen

MESSAGES: Mapping[str, type[BaseModel]] = {
    "telemetry": Telemetry,
    "window": Window,
    "figure": Figure,
    "interval": Interval,
    "rollup": Rollup,
    "meta": Meta,
    "state": State,
    "alarm": Alarm,
    "status": Status,
    "health": Health,
    "gap": Gap,
    "event": Event,
    "evidence": Proof,
    "seal": Seal,
}
"""The model of each class of message."""


@frozen
class Channel:
    """A kind of topic below `{root}/{site}`: what is published there, and whether the broker keeps it."""

    message: str
    suffix: str
    summary: str
    retained: bool = False

    @property
    def name(self) -> str:
        """Name of the channel: the class, with `agent_` or `area_` before those about the agent or an area."""
        if self.suffix == f"{{area}}/{self.message}":
            return f"area_{self.message}"
        return f"agent_{self.message}" if self.suffix.startswith("agent/") else self.message

    @property
    def address(self) -> str:
        """The topic, with parameters in braces."""
        return f"{{root}}/{{site}}/{self.suffix}"


_DEVICE = "{area}/{device}"

CHANNELS = (
    Channel("meta", f"{_DEVICE}/meta", "What must be known to read a device's messages.", retained=True),
    Channel("state", f"{_DEVICE}/state", "Whether a device answers.", retained=True),
    Channel("telemetry", f"{_DEVICE}/telemetry", "What a device said at one time."),
    Channel("window", f"{_DEVICE}/window", "Rolling sums of an account."),
    Channel("figure", f"{_DEVICE}/figure", "What is worked out of a device, such as an efficiency."),
    Channel("interval", f"{_DEVICE}/interval", "The record of account."),
    Channel("rollup", f"{_DEVICE}/rollup", "The intervals of an account added up."),
    Channel("event", f"{_DEVICE}/event", "What an engineer or auditor must be able to find about an account."),
    Channel("alarm", f"{_DEVICE}/alarm/{{alarm}}", "A condition of a device has begun or ended.", retained=True),
    Channel("figure", "{area}/figure", "What is worked out of an area."),
    Channel("status", "agent/status", "Whether the agent runs; also its last will.", retained=True),
    Channel("health", "agent/health", "The agent's own figures, once a minute."),
    Channel("gap", "agent/gap", "What the bounded store had to drop."),
    Channel("window", "agent/window", "Energy and CO2 per output, over rolling windows."),
    Channel("figure", "agent/figure", "What is worked out of the whole site."),
    Channel("event", "agent/event", "What an engineer or auditor must be able to find about the agent."),
    Channel("evidence", "agent/evidence", "What the records rest on: program, configuration, factors, captures."),
    Channel("seal", "agent/seal", "A signature over all records that prove something.", retained=True),
    Channel("alarm", "agent/alarm/{alarm}", "A condition of the agent has begun or ended.", retained=True),
)
"""Every kind of topic."""
