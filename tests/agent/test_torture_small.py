"""What `make torture` shows at full size, in small: each case against the real agent and real servers."""

from pathlib import Path

import pytest

from tests.torture.cases import CASES
from tests.torture.shim import available

pytestmark = pytest.mark.integration

_OPEN = {
    "reload": "a reload starts the agent anew: windows begin at zero, a removed device keeps its retained state",
    "disk": "no alarm tells of a failing disk, and the agent does not start on one",
    "damage": "a damaged file is set aside whole, and records with flipped bits are handed on",
    "clocks": "records from before the first synchronisation keep their wrong times, and no event tells of a step",
}
"""Cases that ask for more than the agent does yet."""
_PRELOADED = {"disk", "clocks"}


def _case(name: str) -> object:
    marks = [pytest.mark.xfail(reason=_OPEN[name], strict=False)] if name in _OPEN else []
    if name in _PRELOADED:
        marks.append(pytest.mark.skipif(not available(), reason="needs a C compiler"))
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [_case(name) for name in CASES])
def test_nothing_is_lost_and_nothing_pretended(name: str, tmp_path: Path) -> None:
    finding = CASES[name](tmp_path, full=False)

    assert finding.problems == []
    assert finding.figures
