"""A configuration loaded in a process of its own."""

import os
import re
import signal
from pathlib import Path

import pytest

from agent import __version__
from agent.config import ConfigError
from agent.config.load import load_config
from agent.config.loading import Loading, load_apart
from agent.process.worker import Worker

SITE = """
[site]
name = "works"

[[line]]
name = "bus"
url = "tcp://127.0.0.1"

[[device]]
name = "meter"
area = "hall"
line = "bus"
unit = 1
profile = "eastron/sdm630"
calibration = [
  { certificate = "No. 7", by = "institute", accuracy_class = "0.5S", valid_until = 2027-01-31 },
]

[[green_power]]
certificate = "GEC-7"
contract = "No. 3"
accounts = ["meter/electricity"]
share = 0.3
from = 2026-01-01
to = 2026-12-31
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "energy-agent.toml"
    path.write_text(SITE, encoding="utf-8")
    return path


def test_it_is_the_same_as_one_read_here(path: Path) -> None:
    apart, here = load_apart(path), load_config(path)

    different = [name for name in here.__dataclass_fields__ if getattr(apart, name) != getattr(here, name)]
    assert different == ["library"], "which is not compared"
    assert apart.library.sets() == here.library.sets()
    assert apart.library.versions == here.library.versions
    assert apart.devices[0].given == here.devices[0].given
    assert apart.devices[0].calibration[0].said() == here.devices[0].calibration[0].said()
    assert apart.plant() == here.plant()


def test_every_problem_of_it_comes_back_with_its_place(path: Path) -> None:
    path.write_text(SITE.replace("unit = 1", "unit = 900").replace('"bus"\nunit', '"buss"\nunit'), encoding="utf-8")

    with pytest.raises(ConfigError) as here:
        load_config(path)
    with pytest.raises(ConfigError) as apart:
        load_apart(path)

    assert len(apart.value.problems) == 2
    assert apart.value.problems == here.value.problems
    assert str(apart.value) == str(here.value)


def killed(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_while_it_reads_is_one_clear_problem(path: Path) -> None:
    loading = Loading(path, lambda *call: Worker(__name__, "killed", call[-1]))

    with pytest.raises(ConfigError, match=r"could not be read: the process for it was ended by SIGKILL: look in"):
        loading.config()


def test_where_no_process_can_be_had_that_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", os.fspath(path.parent / "gone"))

    with pytest.raises(ConfigError, match=r"the process for it could not begin \(No such file or directory\)"):
        Loading(path)


def test_after_an_update_that_is_not_running_yet_a_restart_is_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.config.loading.__version__", "0.0.9")

    said = f"{path}: cannot be read: energy-agent 0.0.9 runs, and {__version__} is installed by now: restart the agent"
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_apart(path)
