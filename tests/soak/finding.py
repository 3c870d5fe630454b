"""What a check has found: figures to report, and what is wrong."""

from dataclasses import dataclass, field

_SHOWN = 5


@dataclass(slots=True)
class Finding:
    """The outcome of one check; it has passed when there are no problems."""

    title: str
    figures: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def expect(self, condition: bool, problem: str) -> None:  # noqa: FBT001 -- reads like an assertion
        """Note a problem when the condition does not hold."""
        if not condition:
            self.problems.append(problem)

    @property
    def told(self) -> list[str]:
        """The first problems, and how many more there are."""
        more = len(self.problems) - _SHOWN
        return self.problems[:_SHOWN] + ([f"... and {more:,} more"] if more > 0 else [])


def quantile(values: list[float], share: float) -> float:
    """Return the value that the given share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
