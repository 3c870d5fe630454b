"""What is added up: accounts and outputs as they are, and what is worked out from them interval by interval."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent.books.ledger import Ledger
from agent.carbon.conversion import Conversion
from agent.config import SiteConfig
from agent.figure import Figure
from agent.metering.amount import NS_PER_S
from agent.plant import Account
from agent.record import end_of
from agent.rollup.balance import Balance
from agent.rollup.balance_figures import period_figures
from agent.rollup.balanced import part_of, recorded
from agent.rollup.periods import DAY, MONTH
from agent.rollup.progress import Progress
from agent.rollup.reading import Kept
from agent.rollup.total import Part
from agent.rollup.tree import balances_of
from agent.rollup.virtual import VirtualAccount, virtual_accounts

Body = dict[str, Any]
WorkedOut = VirtualAccount | Balance

_LATE_INTERVALS = 2
_LATE_NS = 120 * NS_PER_S
"""A balance does not wait longer than both for a meter behind: one may never have answered."""


def worked_out_accounts(config: SiteConfig, ledger: Ledger) -> dict[str, WorkedOut]:
    """Return the virtual accounts and the balances of a configuration by name."""
    plant = ledger.plant
    found: tuple[WorkedOut, ...] = (
        *virtual_accounts(config.virtual, (*plant.accounts, *plant.outputs)),
        *balances_of(config.balances, config.devices, plant.accounts),
    )
    return {account.name: account for account in found}


class Members:
    """The accounts of a configuration, and which of them others are worked out from."""

    def __init__(self, config: SiteConfig, ledger: Ledger) -> None:
        tracked = (*ledger.plant.accounts, *ledger.plant.outputs)
        self._site, self._conversions = config.site.name, ledger.conversions
        self._late_ns = max(_LATE_NS, round(_LATE_INTERVALS * config.interval.length * NS_PER_S))
        worked_out = worked_out_accounts(config, ledger).values()
        self.accounts: dict[str, Account | WorkedOut] = {each.name: each for each in (*tracked, *worked_out)}
        self._followers: dict[str, list[WorkedOut]] = {}
        for each in worked_out:
            for member in each.members:
                self._followers.setdefault(member, []).append(each)

    def followers(self, name: str) -> Sequence[WorkedOut]:
        """Return what is worked out from an account, among others."""
        return self._followers.get(name, ())

    def is_worked_out(self, name: str) -> bool:
        """Return whether an account is worked out from others."""
        return not isinstance(self.accounts[name], Account)

    def reached_ns(self, account: WorkedOut, progress: Mapping[str, Progress]) -> int:
        """Return up to when the intervals of the members are there [Unix ns], 0 for not at all."""
        ends = {name: progress[name].to_ns if name in progress else 0 for name in account.members}
        reached = min(ends[name] for name in account.needed)
        return min([reached, *(end for end in ends.values() if end >= reached - self._late_ns)])

    def parts(self, wanted: Iterable[str], bodies: Mapping[Kept, Body], start_ns: int) -> dict[str, Part]:
        """Return what the interval records of one start say of the accounts that are wanted."""
        asked = {name: self.accounts[name] for name in wanted}
        members = {m for each in asked.values() if not isinstance(each, Account) for m in each.members}
        known = {
            key.account: Part.of(body, end_of(body))
            for key, body in bodies.items()
            if key.account in asked or key.account in members
        }

        def weigh(account: Account) -> Conversion | None:
            return self._conversions.at(account, start_ns)

        found = {name: part for name, part in known.items() if name in asked}
        for name, account in asked.items():
            if isinstance(account, Account):
                continue
            part = part_of(account, known) if isinstance(account, Balance) else account.of(known, weigh)
            if part:
                found[name] = part
        return found

    def head(self, name: str) -> Body:
        """Return what the records of an account begin with."""
        account = self.accounts[name]
        head: Body = {"site": self._site, "area": account.area, "device": account.device, "account": name}
        if not isinstance(account, Account):
            head["virtual"] = list(account.members)
        elif account.carrier is None:
            head["output"] = name
        return head

    def completed(self, body: Body) -> Body:
        """Return a record with what follows from the sums of a balance."""
        account = self.accounts[body["account"]]
        return body | recorded(account, body) if isinstance(account, Balance) else body

    def figures(self, body: Body) -> Iterator[Figure]:
        """Yield the figures of a balance that the record of a day or month tells of; none of anything else."""
        account = self.accounts[body["account"]]
        if isinstance(account, Balance) and body["period"] in {DAY, MONTH}:
            yield from period_figures(account, body)
