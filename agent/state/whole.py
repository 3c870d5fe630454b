"""The whole state of a running agent, put together from its parts."""

from typing import Any, Protocol

from agent.alarms.desk import AlarmDesk
from agent.audit.auditor import Auditor
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.capturing import Capturing
from agent.config import SiteConfig
from agent.delivery.forward import Forwarder
from agent.polling.poller import LinePoller
from agent.recorder import Recorder
from agent.rollup.derived import Derived
from agent.scribe import Scribe
from agent.state import snapshot


class Running(Protocol):
    """The parts of an agent that have something to show."""

    config: SiteConfig
    ledger: Ledger
    scribe: Scribe
    alarms: AlarmDesk
    bookkeeper: Bookkeeper
    derived: Derived
    recorder: Recorder
    capture: Capturing
    auditor: Auditor
    pollers: list[LinePoller]
    forwarders: list[Forwarder]


def whole(agent: Running, elapsed_s: float) -> dict[str, Any]:
    """Return the figures of every part as JSON values; `elapsed_s` is how long the agent has run [s]."""
    sections = {section.name: section for section in agent.config.devices}
    return {
        **snapshot.run(agent.config, agent.scribe.keeper, agent.recorder.waiting, elapsed_s),
        "lines": [snapshot.line(poller, elapsed_s) for poller in agent.pollers],
        "devices": [
            snapshot.device(sections[device.name], device) for poller in agent.pollers for device in poller.devices
        ],
        "accounts": snapshot.accounts(agent.ledger, agent.bookkeeper.latest_intervals),
        "worked_out": snapshot.worked_out(agent.derived.latest_intervals),
        "sinks": [sender.status() for sender in agent.forwarders],
        "store": snapshot.store(agent.scribe.store),
        "capture": agent.capture.figures(),
        "audit": agent.auditor.figures(),
        "records": dict(agent.scribe.counts),
        "intervals_closed": dict(agent.bookkeeper.intervals_closed),
        "intervals_revised": dict(agent.bookkeeper.intervals_revised),
        "alarms": snapshot.alarms(agent.alarms),
    }
