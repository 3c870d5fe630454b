"""Balances: what comes in by meters, less what further meters count, is the rest that nobody metered.

Where the meters behind say more than those before by what their accuracy allows, they disagree; that is a figure too,
0 while they agree, so that an alarm can watch it. Two meters of the same thing disagree both ways.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from agent.sections.carbon import Direction
from drivers.value import frozen

OWN = frozenset({"generation", "charge", "discharge"})
"""Directions of what the site makes or stores itself, which weighs nothing, or less than what is bought."""
SIGNS: Mapping[Direction, int] = {"import": 1, "generation": 1, "discharge": 1, "export": -1, "charge": -1}
"""How what goes through a meter counts for what is behind it."""


@frozen
class Flow:
    """What goes through one meter: `sign` is how it counts, `accuracy` by which share of it the meter may be wrong.

    `step` [unit] is what it counts by: over any time, it may be wrong by that, too.
    """

    account: str
    direction: Direction
    sign: int
    accuracy: float
    step: float = 0.0


class Result(NamedTuple):
    """A figure of a balance: of its unit, or a share in %; None where there is nothing to divide by."""

    name: str
    share: bool
    value: float | None
    behind: bool = False
    """Whether it follows from the meters behind, too."""
    bounded: bool = False
    """Whether it follows from what the meters' accuracy allows, too."""


@frozen
class Balance:
    """What comes in at one level of the plant, and what is metered of it behind.

    `place` is that of its figures, which begin with `figure`; its records are those of the account `name`, whose amount
    is what is consumed behind the meters of the level. `compared`: both sides are meters of the same thing.
    """

    name: str
    figure: str
    place: str
    area: str
    unit: str
    incoming: tuple[Flow, ...]
    metered: tuple[Flow, ...]
    compared: bool = False

    @property
    def device(self) -> str:
        """What stands for a device in the topics of its records."""
        return self.name.partition("/")[0]

    @property
    def key(self) -> str:
        """Where its records belong: area and device."""
        return f"{self.area}/{self.device}"

    @property
    def members(self) -> tuple[str, ...]:
        """The accounts it is worked out from, each once."""
        return tuple(dict.fromkeys(flow.account for flow in (*self.incoming, *self.metered)))

    @property
    def needed(self) -> tuple[str, ...]:
        """The members without which nothing can be said at all."""
        return tuple(flow.account for flow in self.incoming)

    @property
    def figures(self) -> tuple[Result, ...]:
        """Its figures, with any value: which there are does not depend on the amounts."""
        sides = ("consumption", "metered", "allowed") if self.metered else ("consumption",)
        return tuple(self.results(dict.fromkeys([*sides, *(flow.direction for flow in self.incoming)], 0.0)))

    @property
    def bounds(self) -> tuple[Flow, ...]:
        """The meters whose errors matter: one that counts on both sides alike takes its error away with it."""
        both = frozenset(self.incoming) & frozenset(self.metered)
        return tuple(flow for flow in (*self.incoming, *self.metered) if flow not in both)

    def results(self, amounts: Mapping[str, float]) -> Iterator[Result]:
        """Yield what follows from amounts [unit] of directions, `consumption`, and `metered` and `allowed` if known."""
        coming = amounts["consumption"]
        if "metered" in amounts:
            rest = coming - amounts["metered"]
            allowed = amounts["allowed"] + sum(flow.step for flow in self.bounds)
            beyond = max(0.0, (abs(rest) if self.compared else -rest) - allowed)
            yield Result("rest", False, rest, behind=True)
            yield Result("rest_share", True, _percent(rest, coming), behind=True)
            yield Result("disagreement", False, beyond, behind=True, bounded=True)
            yield Result("disagreement_share", True, _percent(beyond, coming), behind=True, bounded=True)
        if self.compared:
            return
        flows = {direction: amounts[direction] for direction in SIGNS if direction in amounts}
        exported = flows.get("export", 0.0)
        if flows.keys() - {"import"}:
            yield Result("net_import", False, flows.get("import", 0.0) - exported)
            yield Result("consumption", False, coming)
        if "generation" in flows:
            used = max(0.0, flows["generation"] - exported)
            yield Result("generation", False, flows["generation"])
            yield Result("self_consumption", False, used)
            yield Result("self_consumption_share", True, _percent(used, flows["generation"]))
        if {"charge", "discharge"} & flows.keys():
            yield Result("storage_net", False, flows.get("discharge", 0.0) - flows.get("charge", 0.0))


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole > 0 else None
