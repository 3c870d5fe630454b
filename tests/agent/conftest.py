from collections.abc import Iterator

import pytest

from tests.agent.running import undivided_capture


@pytest.fixture
def one_capture_file() -> Iterator[None]:
    with undivided_capture():
        yield


@pytest.fixture
def no_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no day begin within the test: on each the evidence is told again and the first seal stamped."""
    for name in ("auditor", "timestamp"):
        monkeypatch.setattr(f"agent.audit.{name}._DAY_NS", 1 << 62)
