"""`energy-agent output`: what was made in a period, entered by somebody who knows."""

import secrets
import time
from pathlib import Path

from agent.commands.correct import hand_over, known_account, said
from agent.commands.kept import parse_time
from agent.commands.outcome import CommandError, Exit
from agent.config.load import load_config
from agent.metering.amount import NS_PER_S
from agent.output.entry import Entry, refusal
from drivers.value import frozen

_PATIENCE_S = 30.0


@frozen
class Made:
    """What was made as the command line has it."""

    name: str
    amount: float
    start: str
    end: str
    reason: str
    author: str


def output(path: Path, asked: Made, *, as_json: bool) -> Exit:
    """Have an amount booked for the output and period somebody names."""
    config = load_config(path)
    account = known_account(config, asked.name)
    zone = config.site.zone
    entry = Entry(
        secrets.token_hex(8),
        asked.name,
        parse_time(asked.start, zone),
        parse_time(asked.end, zone),
        asked.amount,
        said(asked.reason, "--reason"),
        said(asked.author, "--author"),
    )
    if problem := refusal(entry, account, config):
        raise CommandError(problem)
    if entry.end_ns > time.time() * NS_PER_S:
        raise CommandError(f"--to {asked.end} is still to come: enter it when the period is over")
    return hand_over(config, entry, _PATIENCE_S, as_json=as_json)
