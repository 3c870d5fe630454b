"""Virtual accounts: sums and differences of accounts, or a fixed share of one, interval by interval."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction

from agent.carbon.conversion import Conversion
from agent.plant import Account
from agent.rollup.balance import OWN
from agent.rollup.total import Part, side_by_side
from agent.sections.virtual import VirtualSection
from drivers.value import frozen

Weigh = Callable[[Account], Conversion | None]
"""What the amounts of an account weigh at the time in question."""

_SITE = "site"
"""Area of a virtual account whose members are in several."""


@frozen
class VirtualAccount:
    """What is worked out from the accounts in `plus`, less those in `minus`.

    `share` is from where to where its part of them goes: the shares of one account follow each other in the order of
    the configuration, so that those that make 1 add up to the whole, to the last digit.
    """

    name: str
    area: str
    device: str
    unit: str
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    share: tuple[Fraction, Fraction] | None
    opposed: frozenset[str]
    """Those in `minus` that leave the site where those in `plus` do not, or the reverse."""
    as_bought: Mapping[str, Account] = field(default_factory=dict)
    """What the site makes or stores itself, as if it were bought: so a rest has the emission of its amount.

    There is some only where what consumers use, who are weighed as if they bought it, is taken away from it.
    """

    @property
    def key(self) -> str:
        """Where its records belong: area and device."""
        return f"{self.area}/{self.device}"

    @property
    def members(self) -> tuple[str, ...]:
        """The accounts it is worked out from."""
        return (*self.plus, *self.minus)

    @property
    def needed(self) -> tuple[str, ...]:
        """The members without which nothing can be said: all of them."""
        return self.members

    def of(self, parts: Mapping[str, Part], weigh: Weigh) -> Part | None:
        """Return what it comes to; None when a member is missing, or is counted in another unit or time."""
        found = [self._member(name, parts, weigh) for name in self.members]
        known = [part for part in found if part is not None and part.unit == self.unit]
        if len(known) < len(found) or len({part.end_ns for part in known}) > 1:
            return None
        if self.share:
            return known[0].portion(*self.share)
        taken = len(self.plus)
        away = zip(self.minus, known[taken:], strict=True)
        return side_by_side([*known[:taken], *(part.taken_away(opposed=name in self.opposed) for name, part in away)])

    def _member(self, name: str, parts: Mapping[str, Part], weigh: Weigh) -> Part | None:
        part, bought = parts.get(name), self.as_bought.get(name)
        return part.weighed(weigh(bought)) if part and bought else part


def virtual_accounts(sections: Sequence[VirtualSection], accounts: Iterable[Account]) -> list[VirtualAccount]:
    """Return the virtual accounts of a checked configuration."""
    by_name = {account.name: account for account in accounts}
    given: dict[str, Fraction] = {}
    found = []
    for section in sections:
        first = by_name[section.members[0]]
        areas = {by_name[name].area for name in section.members}
        share = None
        if section.share:
            since = given.get(section.share.of, Fraction())
            share = (since, since + Fraction(str(section.share.factor)))
            given[section.share.of] = share[1]
        found.append(
            VirtualAccount(
                name=section.name,
                area=section.area or (areas.pop() if len(areas) == 1 else _SITE),
                device=section.name.partition("/")[0],
                unit=first.unit,
                plus=(section.share.of,) if section.share else section.sum,
                minus=section.minus,
                share=share,
                opposed=frozenset(name for name in section.minus if by_name[name].leaves is not first.leaves),
                as_bought=_as_bought(section, by_name),
            )
        )
    return found


def _as_bought(section: VirtualSection, by_name: Mapping[str, Account]) -> dict[str, Account]:
    if not any(by_name[name].direction == "import" for name in section.minus):
        return {}
    members = (by_name[name] for name in section.members)
    return {each.name: replace(each, direction="import") for each in members if each.direction in OWN}
