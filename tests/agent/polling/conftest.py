"""Profiles that a scripted line serves, and pauses that a test can wait for."""

from pathlib import Path

import pytest

from agent.polling import breaker
from drivers.profile import Profile
from drivers.profile_file import load_profile
from tests.agent.polling.bench import IDENTITY, PROFILE


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "two.toml").write_text(PROFILE, encoding="utf-8")
    return load_profile("two.toml", relative_to=tmp_path)


@pytest.fixture
def known(tmp_path: Path) -> Profile:
    (tmp_path / "known.toml").write_text(IDENTITY, encoding="utf-8")
    return load_profile("known.toml", relative_to=tmp_path)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses before a new attempt so short that a test can wait for them."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE_S", 0.2)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE_S", 1.0)
