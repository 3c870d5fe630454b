"""Intervals and roll-ups as table, CSV, JSON and Parquet, by command and by API: all say the same."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from agent.api.intervals import content, page, question
from agent.cli import main
from agent.record import Record
from agent.rollup.export import COLUMNS, INSTALL, NoParquetError, csv_text, parquet_bytes
from agent.store import Store
from tests.agent.rollup.shelf import FAN, GAS, MIDNIGHT, NIGHT_SHIFT, VIRTUAL, Works

FROM_TO = {"from": "2026-11-30", "to": "2026-12-01"}
PLACE = '\n[store]\npath = "store.db"\n'


@pytest.fixture
async def works(tmp_path: Path) -> Works:
    """Return a plant whose store, in memory and on disk, holds a day and what was added up of it."""
    works = Works(tmp_path, NIGHT_SHIFT + VIRTUAL + PLACE)
    for quarter in range(97):
        works.interval(
            MIDNIGHT + quarter * 900, 1_000_000 + quarter, cost_cny=quarter / 8, tariff_period="flat", co2_kg=0.3
        )
        works.interval(MIDNIGHT + quarter * 900, 3 * quarter, GAS)
    works.interval(MIDNIGHT, 2_000_000, cost_cny=0.0, co2_kg=0.3)
    await works.settle()
    store = Store(tmp_path / "store.db", max_size=8 << 20, commit_every_s=1.0, sinks=[])
    await store.open()
    for record in works.shelf.kept:
        store.append(record.kind, record.key, record.time_ns, orjson.loads(record.payload))
        if not record.seq % 50:
            await store.flush()  # the queue is bounded
    await store.close()
    return works


def figures(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    names = ("account", "amount", "co2_kg", "cost_cny", "coverage", "revision", "intervals")
    return [tuple(str(row.get(name, "")) for name in names) for row in rows]


async def asked(works: Works, every: str, form: str) -> bytes:
    query = question({**FROM_TO, "every": every, "format": form, "limit": "1000"}, works.config.site.zone)
    return content(await page(works.shelf, query), form)[0]  # type: ignore[arg-type]  # stands in for a Store


@pytest.mark.parametrize("every", ["interval", "hour", "shift", "day", "month"])
async def test_the_formats_of_command_and_api_agree(
    works: Works, every: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(form: str) -> str:
        times = ["--from", FROM_TO["from"], "--to", FROM_TO["to"]]
        assert main(["intervals", str(works.config.path), *times, "--every", every, "--format", form]) == 0
        return capsys.readouterr().out

    records = orjson.loads(printed("json"))
    table = list(csv.DictReader(io.StringIO(printed("csv"))))
    assert figures(table) == figures(records)
    assert figures(orjson.loads(await asked(works, every, "json"))) == figures(records)
    assert (await asked(works, every, "csv")).decode() == csv_text(records)
    assert every in {"month", "shift"} or records
    if every == "day":
        (fan,) = [record for record in records if record["account"] == FAN]
        assert (fan["amount"], fan["cost_cny"]) == (97.00456, 570.0)
        assert "97.00" in printed("table")


def test_records_without_cost_have_no_column_for_it() -> None:
    body = {"account": "a/b", "start": "2026-11-20T08:00:00Z", "end": "2026-11-20T08:15:00Z"}
    assert csv_text([body]).splitlines()[0] == ",".join(COLUMNS)
    assert csv_text([body | {"cost_cny": 1.5, "tariff_period": "peak"}]).endswith(",peak,1.5\n")


WEIGHED = {"unverified": True, "kgce_equivalent": 0.3, "ch4_kg": 0.1, "co2e_kg": 3.0, "gwp": "AR5", "scope": 1}


def test_figures_by_an_unverified_factor_keep_the_mark_and_everything_else_they_are_weighed_by() -> None:
    checked = {"account": "a/b", "start": "2026-11-20T08:00:00Z", "end": "2026-11-20T08:15:00Z"}

    first, second = csv.DictReader(io.StringIO(csv_text([checked | WEIGHED, checked])))

    assert {key: first[key] for key in WEIGHED} == {**{key: str(value) for key, value in WEIGHED.items()},
                                                    "unverified": "true"}  # fmt: skip
    assert (second["unverified"], second["kgce_equivalent"]) == ("false", "")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(io.BytesIO(parquet_bytes([checked | WEIGHED, checked]))).to_pylist()
    assert {key: rows[0][key] for key in WEIGHED} == WEIGHED
    assert (rows[1]["unverified"], rows[1]["scope"]) == (False, None)


async def test_parquet_holds_the_same_figures_with_times_and_types(works: Works) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    records = orjson.loads(await asked(works, "hour", "json"))
    table = parquet.read_table(io.BytesIO(await asked(works, "hour", "parquet")))
    assert table.column("amount").to_pylist() == [record["amount"] for record in records]
    assert table.column("co2_kg").to_pylist() == [record.get("co2_kg") for record in records]
    assert [str(table.schema.field(name).type) for name in ("start", "revision", "cost_cny")] == [
        "timestamp[us, tz=UTC]", "int64", "double",
    ]  # fmt: skip


def test_without_pyarrow_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("agent.rollup.export.importlib", SimpleNamespace(import_module=missing))
    with pytest.raises(NoParquetError, match="pip install"):
        parquet_bytes([])
    monkeypatch.setattr("agent.commands.kept.read_intervals", lambda *_, **__: [Record(1, "interval", "", 0, b"{}")])
    works = Works(tmp_path, PLACE)
    times = ["--from", "2026-11-30", "--to", "2026-12-01", "--format", "parquet"]
    monkeypatch.setattr("agent.commands.kept.latest_revisions", lambda records: records)
    assert main(["intervals", str(works.config.path), *times]) == 2
    assert capsys.readouterr().err.strip() == INSTALL


@pytest.mark.parametrize("every", ["week", "5min"])
def test_a_period_that_is_not_recorded_is_refused(works: Works, every: str, capsys: pytest.CaptureFixture[str]) -> None:
    times = ["--from", "2026-11-30", "--to", "2026-12-01", "--every", every]
    assert main(["intervals", str(works.config.path), *times]) == 2
    assert f"'{every}' is not recorded" in capsys.readouterr().err
    with pytest.raises(ValueError, match="use interval, hour"):
        question({**FROM_TO, "every": every}, works.config.site.zone)


async def test_the_length_of_the_intervals_names_them(works: Works, capsys: pytest.CaptureFixture[str]) -> None:
    times = ["--from", "2026-11-30", "--to", "2026-12-01", "--every", "15min", "--json"]
    assert main(["intervals", str(works.config.path), *times]) == 0
    found = {record["account"] for record in orjson.loads(capsys.readouterr().out)}
    assert found == {FAN, GAS, "hall/third", "hall/other", "hall/rest"}
