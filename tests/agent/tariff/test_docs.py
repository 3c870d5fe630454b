"""What the pages on tariffs say can be done as they say it, in both languages."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from agent.config.load import load_config
from agent.tariff.bill import bill
from agent.tariff.build import tariffs
from agent.tariff.power_factor import STANDARDS
from tests.agent.tariff.test_bill import JANUARY, month_of

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("tariff.md", "tariff.zh-CN.md")
PLANT = """[site]
name = "works"

[[line]]
name = "hall"
url = "tcp://127.0.0.1:1502"

[[device]]
name = "main-meter"
area = "substation"
line = "hall"
unit = 1
profile = "eastron/sdm630"
"""


@pytest.mark.parametrize("page", PAGES)
def test_the_example_is_taken_as_it_stands_and_gives_the_bill_of_the_page(tmp_path: Path, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example
    path = tmp_path / "site.toml"
    path.write_text(PLANT + example[1], encoding="utf-8")
    config = load_config(path)
    (tariff,) = tariffs(config.tariffs, config.calendar, config.site.zone)
    month = month_of(
        tariff, reactive_kvarh=60_000, peak_kw=412.5, sharp=12_000, peak=40_000, flat=60_000, valley=50_000
    )

    total = bill(tariff, month, JANUARY).total.value

    assert total == Decimal("123938.87")
    assert f"**{total:,.2f}".replace(",", " ") in text


@pytest.mark.parametrize("page", PAGES)
def test_every_standard_of_the_power_factor_is_on_the_page(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert all(f"{standard}" in text for standard in STANDARDS)


def test_both_pages_name_the_same_keys_and_figures() -> None:
    english, chinese = (set(re.findall(r"`([a-z_]+)`", (DOCS / page).read_text(encoding="utf-8"))) for page in PAGES)
    assert english == chinese
