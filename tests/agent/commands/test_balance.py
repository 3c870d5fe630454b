"""`energy-agent balance` as people read it, and as programs do."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.cli import main
from agent.config import SiteConfig
from agent.rollup.balance import Balance
from agent.rollup.balanced import recorded
from agent.rollup.tree import balances_of
from agent.store import Store
from tests.agent.frames import SITE, configured
from tests.agent.rollup.plants import FAN_PROFILE, works

DAY = ["--from", "2026-11-20", "--to", "2026-11-21"]
SHOWN = {
    "start": "2026-11-19T16:00:00.000000Z",
    "end": "2026-11-20T16:00:00.000000Z",
    "period": "day",
    "revision": 0,
    "unit": "kWh",
    "coverage": 1.0,
    "estimated": 0.0,
    "quality": "good",
    "intervals": 96,
    "expected": 96,
}
SITE_SUMS = {
    "amount": 130.0,
    "import_amount": 100.0,
    "export_amount": 10.0,
    "generation_amount": 40.0,
    "metered_amount": 104.0,
    "allowed_amount": 2.0,
}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return the configuration of a works whose store holds a day of its site, of its hall and of its second meter."""
    (tmp_path / "fan.toml").write_text(FAN_PROFILE, encoding="utf-8")
    config = configured(tmp_path, SITE + works() + '\n[store]\npath = "store.db"\n')
    plant = {each.name: each for each in _balances(config)}
    store = Store(tmp_path / "store.db", max_size=2**20, commit_every_s=0.05, sinks=[])
    await store.open()
    hall: dict[str, Any] = {"amount": 60.0, "import_amount": 60.0, "missing": ["press/electricity"], "intervals": 90}
    second = {"amount": 100.0, "import_amount": 100.0, "metered_amount": 103.0, "allowed_amount": 1.5}
    for name, sums in (
        ("site/electricity", SITE_SUMS),
        ("hall/electricity", hall),
        ("check/electricity_against_main", second),
    ):
        body: dict[str, Any] = {**SHOWN, "account": name, **sums}
        body |= recorded(plant[name], body)
        start_ns = int(datetime(2026, 11, 19, 16, tzinfo=UTC).timestamp()) * 10**9
        store.append("rollup", "site/site", start_ns, body)
    await store.close()
    return config.path


def _balances(config: SiteConfig) -> list[Balance]:
    plant = config.plant()
    return balances_of(config.balances, config.devices, plant.accounts)


def test_each_level_is_one_table_with_what_it_has(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", str(path), *DAY]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert lines[0][:2] == ["site/electricity", "[kWh],"]
    # 130 - 104 = 26 kWh, 20 % of 130; 30 of the 40 kWh made are used
    row = ["2026-11-20", "00:00", "100.000", "10.000", "40.000", "30.000", "130.000", "104.000", "26.000", "20.0"]
    assert lines[2][:10] == row
    assert " ".join(lines[5]).endswith("60.000 100.0 0.0 90 of 96 intervals; no word of press/electricity")
    # 3 kWh too much less the 1.5 kWh allowed and two steps of 0.01 kWh
    assert lines[7][1:5] == ["main", "check", "difference", "in"]
    assert lines[8] == ["2026-11-20", "00:00", "100.000", "103.000", "-3.000", "-3.0", "1.5", "100.0", "0.0"]


def test_one_balance_is_given_to_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", str(path), *DAY, "--balance", "site/electricity", "--json"]) == 0
    (body,) = orjson.loads(capsys.readouterr().out)
    assert (body["rest_amount"], body["net_import_amount"]) == (26.0, 90.0)

    assert main(["balance", str(path), *DAY, "--format", "csv"]) == 0
    rows = {row["account"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["site/electricity"]["rest_amount"] == "26.0"
    assert rows["hall/electricity"]["rest_amount"] == ""


def test_what_is_not_there_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", str(path), *DAY, "--balance", "site/electricty"]) == 2
    assert "did you mean 'site/electricity'" in capsys.readouterr().err
    assert main(["balance", str(path), "--from", "2026-11-20", "--to", "2026-11-19"]) == 2
    assert main(["balance", str(path), *DAY, "--every", "hour"]) == 0
    assert capsys.readouterr().err.endswith(
        "no balance of a closed hour starts between 2026-11-20 and 2026-11-21: "
        "--every interval shows those that are closed by now\n"
    )


def test_a_plant_without_meters_of_levels_learns_how_to_have_balances(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = works().partition("[[device]]")[2].partition("[[device]]")[0].replace('meters = "site"', "")
    path = configured(tmp_path, f"{SITE}\n[[device]]{text}").path
    assert main(["balance", str(path), *DAY]) == 2
    assert 'with meters = "site"' in capsys.readouterr().err
