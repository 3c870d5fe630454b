"""What `make torture` shows at full size, in small: each case against the real agent and real servers."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.soak.finding import Finding
from tests.torture.cases import CASES
from tests.torture.shim import available

pytestmark = pytest.mark.integration

_AT_ONCE = 3
"""Cases that run side by side: most of their time they wait."""
_OPEN: Mapping[str, str] = {}
"""Cases that ask for more than the agent does yet."""
_PRELOADED = {"disk", "clocks"}


def _case(name: str) -> object:
    marks = [pytest.mark.xfail(reason=_OPEN[name], strict=False)] if name in _OPEN else []
    if name in _PRELOADED:
        marks.append(pytest.mark.skipif(not available(), reason="needs a C compiler"))
    return pytest.param(name, marks=marks)


@pytest.fixture(scope="module")
def findings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Finding]]]:
    """Begin every case that was asked for."""
    asked = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]  # every test here is parametrised
    names = [name for name in CASES if name in asked and (name not in _PRELOADED or available())]
    folders = {name: tmp_path_factory.mktemp(name) for name in names}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {name: pool.submit(CASES[name], folders[name], full=False) for name in names}


@pytest.mark.parametrize("name", [_case(name) for name in CASES])
def test_nothing_is_lost_and_nothing_pretended(name: str, findings: Mapping[str, Future[Finding]]) -> None:
    finding = findings[name].result()

    assert finding.problems == []
    assert finding.figures
