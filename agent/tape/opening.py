"""What each file of a capture begins with: the books of a running agent as they stand, and what they were kept with."""

import platform
from typing import Protocol

from agent import __version__
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.polling.poller import LinePoller
from agent.recorder import Recorder
from agent.scribe import Scribe
from agent.tape.books import copied
from agent.tape.notes import Books, learned_note


class Running(Protocol):
    """The parts of an agent that its books depend on."""

    config: SiteConfig
    ledger: Ledger
    recorder: Recorder
    scribe: Scribe
    pollers: list[LinePoller]


def books_of(agent: Running, reason: str, part: int) -> Books:
    """Return the books of an agent as they stand, for a reason, as the `part`th note of this kind."""
    ledger, store = agent.ledger, agent.scribe.store
    learned = [
        learned_note(device.name, device.learned)
        for poller in agent.pollers
        for device in poller.devices
        if device.learned
    ]
    return Books(
        reason=reason,
        part=part,
        version=__version__,
        python=platform.python_version(),
        boot=ledger.timeline.now.boot,
        start_ns=ledger.start_ns,
        configuration=agent.config.digest,
        profiles=agent.config.profile_digests,
        factors=ledger.conversions.library.versions,
        epoch=store.epoch,
        seq=store.found_seq,
        begun=agent.recorder.begun,
        waiting=len(agent.recorder.waiting),
        right=ledger.clock_right,
        vouched=agent.scribe.keeper.vouched,
        declared=[each.state() for each in ledger.declared],
        accounts=copied(ledger),
        learned={each.device: [each.holes, each.max_registers] for each in learned},
    )
