"""Where the standard coal of a bundle's accounts comes from, by its configuration and factor sets."""

from collections.abc import Iterable, Iterator
from typing import Any

from agent.books.conversions import Conversions
from agent.bundle.tally import Account
from agent.carbon.errors import CarbonError
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.plant import Account as PlantAccount
from agent.record import start_of

Body = dict[str, Any]


def coal(
    config: SiteConfig, library: FactorLibrary, accounts: Iterable[tuple[PlantAccount, Account]]
) -> Iterator[Body]:
    """Yield what one unit of accounts is worth as standard coal [kgce] and by which coefficient, those alike as one.

    It is that of the day of their first record; an equivalent value stands beside it where one was chosen.
    """
    conversions = Conversions(config, library)
    found: dict[tuple[Any, ...], Body] = {}
    for account, known in accounts:
        try:
            weight = conversions.at(account, start_of(known.first))
        except CarbonError:
            continue  # a set that is not at hand: the verdict on the documents says so
        if weight is None:
            continue
        body: Body = {"unit": account.unit, "kgce": weight.kgce_per_unit, "source": weight.kgce_source}
        if weight.kgce_equivalent_per_unit is not None:
            body |= {"equivalent": weight.kgce_equivalent_per_unit, "equivalent_source": weight.kgce_equivalent_source}
        found.setdefault(tuple(body.values()), {**body, "accounts": []})["accounts"].append(account.name)
    yield from found.values()
