"""What the board says of the agent and its devices by themselves: the retained `agent/status` and `meta`."""

from typing import Any

from agent import __version__
from agent.board import Board
from agent.books import bodies
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.plant import Account
from agent.record import as_json, rfc3339
from agent.timekeeping import Timekeeper


def post_meta(board: Board, config: SiteConfig, ledger: Ledger, now_ns: int, public_key: str = "") -> None:
    """Post what each device is, how its amounts are converted at this time, and the key of the seals, if any."""
    accounts: dict[str, list[Account]] = {}
    for account in ledger.plant.accounts:
        accounts.setdefault(account.device, []).append(account)
    for device in config.devices:
        own = accounts.get(device.name, [])
        body = bodies.meta(
            config.site.name,
            device.area,
            device.name,
            config.profiles[device.name],
            {account.name: ledger.conversions.at(account, now_ns) for account in own},
            {account.name: account.unit for account in own},
            config.digest,
        )
        if public_key:
            body["public_key"] = public_key
        if device.calibration:
            body["calibration"] = [certificate.said() for certificate in device.calibration]
        board.put(f"{device.area}/{device.name}/meta", as_json(body))


def post_status(board: Board, site: str, state: str, keeper: Timekeeper, public_key: str = "") -> None:
    """Post whether the agent runs, and the key of its seals, if any."""
    body: dict[str, Any] = {
        "schema": "energy-agent/status/1",
        "site": site,
        "state": state,
        "version": __version__,
        "clock_known": keeper.believed,
    }
    if public_key:
        body["public_key"] = public_key
    if keeper.believed:
        body["started"] = rfc3339(keeper.started_ns)
    if keeper.clocks.synchronised is not None:
        body["clock_synchronised"] = keeper.clocks.synchronised
    board.put("agent/status", as_json(body))
