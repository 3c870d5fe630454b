"""What is booked beside a counter's amount: its worth by pressure and temperature, or its green part.

Both are worked out delta by delta, in whole quanta; what rounding leaves over is carried to the next delta, so a sum
never drifts from the exact one by more than half a quantum.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from agent.metering.amount import QUANTA_PER_UNIT, Delta
from agent.sections.carbon import GreenPowerSection


class Beside(Protocol):
    """Works out what is booked beside each delta of one account."""

    weighs: bool
    """Whether it is the account's amount; else it is the part of it that is green."""

    def quanta_of(self, delta: Delta, day: date) -> int:
        """Return what is booked beside a delta, which ends on a local day."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what must survive a restart as JSON values."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        ...


class Weighing:
    """The amount of an account by the state of what it counts: the mean of those at both readings of a delta."""

    weighs = True

    def __init__(self) -> None:
        self._rest = 0.0

    def quanta_of(self, delta: Delta, day: date) -> int:  # noqa: ARG002  # of every day alike
        """Return the weighed amount of a delta, whose readings have their conditions."""
        weights = [each.condition.weight for each in (delta.start, delta.end) if each.condition]
        exact = delta.quanta * sum(weights) / len(weights) + self._rest if weights else 0.0
        booked = round(exact)
        self._rest = exact - booked
        return booked

    def state(self) -> dict[str, Any]:
        """Return what must survive a restart as JSON values."""
        return {"rest": self._rest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        self._rest = float(state.get("rest", 0.0))


class GreenPool:
    """How much of each contract [quanta] is used up, by the name of its certificate; shared by all its accounts."""

    def __init__(self, contracts: Sequence[GreenPowerSection]) -> None:
        self.contracts = tuple(contracts)
        self._used: dict[str, int] = {}

    def use(self, contract: GreenPowerSection, quanta: int) -> int:
        """Take as much of a contract for an amount as is left of it."""
        if contract.amount is None:
            return quanta
        used = self._used.get(contract.certificate, 0)
        taken = max(0, min(quanta, round(contract.amount * QUANTA_PER_UNIT) - used))
        self._used[contract.certificate] = used + taken
        return taken

    def return_to(self, certificate: str, quanta: int) -> None:
        """Note what an earlier run used."""
        self._used[certificate] = self._used.get(certificate, 0) + quanta


class GreenPower:
    """The green part of an account: what its contracts give, in the order of the configuration, until they are used up.

    An amount by contract is used by the first deltas of its period; a share is one of every delta.
    """

    weighs = False

    def __init__(self, account: str, pool: GreenPool) -> None:
        self._contracts = [each for each in pool.contracts if account in each.accounts]
        self._pool = pool
        self._used: dict[str, int] = {}
        self._rests: dict[str, float] = {}

    def quanta_of(self, delta: Delta, day: date) -> int:
        """Return how much of a delta is green."""
        left = max(0, delta.quanta)
        for contract in self._contracts:
            if not contract.applies(day):
                continue
            wanted = left
            if contract.share is not None:
                exact = max(0, delta.quanta) * contract.share + self._rests.get(contract.certificate, 0.0)
                wanted = min(left, round(exact))
                self._rests[contract.certificate] = exact - round(exact)
            taken = self._pool.use(contract, wanted)
            if contract.amount is not None:
                self._used[contract.certificate] = self._used.get(contract.certificate, 0) + taken
            left -= taken
        return max(0, delta.quanta) - left

    def state(self) -> dict[str, Any]:
        """Return what must survive a restart as JSON values."""
        return {"used": self._used, "rests": self._rests}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        self._rests = {str(name): float(rest) for name, rest in state.get("rests", {}).items()}
        self._used = {str(name): int(used) for name, used in state.get("used", {}).items()}
        for certificate, used in self._used.items():
            self._pool.return_to(certificate, used)
