"""What can go wrong in this package.

CarbonError               carries what is wrong and what to do about it
└── FactorFileError       factor files are wrong; carries every problem found
"""

from collections.abc import Sequence

from drivers.document import Problem


class CarbonError(Exception):
    """Raised when a figure cannot be given: unknown set, carrier, region or unit, or a state outside the tables."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class FactorFileError(CarbonError):
    """Raised when factor files cannot be used; one problem per mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
