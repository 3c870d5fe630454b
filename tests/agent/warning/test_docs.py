"""What the pages on alarms show is taken as it stands, in both languages alike."""

import re
from pathlib import Path

import pytest

from agent.config.load import load_config
from agent.warning.build import watches
from tests.agent.tariff.test_docs import PLANT

DOCS = Path(__file__).parents[3] / "docs"


def example(page: str) -> str:
    found = re.search(r"```toml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("page", ["alarms.md", "alarms.zh-CN.md"])
def test_the_example_is_taken_as_it_stands(tmp_path: Path, page: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(PLANT + example(page), encoding="utf-8")

    names = {watch.name for watch in watches(load_config(path)) if not watch.built_in}

    budgets = {"budget-electricity-yellow", "budget-electricity-red"}
    own = {"main-overload", "load-jump", "demand", "power-factor", "efficiency-drift", "unusual-hour"}
    assert names == own | budgets


def test_both_pages_show_the_same_tables() -> None:
    shown = [re.sub(r"\s*#.*", "", example(page)) for page in ("alarms.md", "alarms.zh-CN.md")]
    assert shown[0] == shown[1]
