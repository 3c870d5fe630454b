"""Interval records and roll-ups as rows: for spreadsheets and for analysis."""

import csv
import importlib
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

COLUMNS = (
    *("start", "end", "account", "revision", "amount", "unit", "energy_kwh", "kgce", "co2_kg", "co2_market_kg"),
    *("coverage", "estimated", "quality"),
)
"""Columns of every export."""
BALANCED = (
    *("import_amount", "export_amount", "generation_amount", "charge_amount", "discharge_amount", "metered_amount"),
    *("allowed_amount", "rest_amount", "rest_percent", "disagreement_amount", "disagreement_percent"),
    *("net_import_amount", "self_consumption_amount", "self_consumption_percent", "storage_net_amount"),
)
"""What the records of balances have besides."""
_WHERE_PRESENT = (
    *("period", "shift", "intervals", "expected", "green_kwh", "tariff_period", "cost_cny"),
    *BALANCED,
    *("scope", "kgce_equivalent", "ch4_kg", "n2o_kg", "co2e_kg", "gwp", "unverified", "reason"),
)
"""Columns that stand behind those where a record has them."""
_TIMES = ("start", "end")
_TEXTS = ("account", "unit", "quality", "period", "shift", "tariff_period", "gwp", "reason")
_COUNTS = ("revision", "intervals", "expected", "scope")
_MARKS = ("unverified",)
"""Columns that say yes where a record has them, and no where it does not."""
INSTALL = "Parquet needs the library pyarrow, which is not installed: pip install 'energy-agent[parquet]'"


class NoParquetError(Exception):
    """Raised where pyarrow is not installed; says how to install it."""


def columns(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of an export."""
    return [*COLUMNS, *(name for name in _WHERE_PRESENT if any(name in record for record in records))]


def csv_text(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as comma-separated values with a head line; what a record lacks is empty."""
    names, text = columns(records), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(name, record) for name in names] for record in records)
    return text.getvalue()


def parquet_bytes(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Return records as a Parquet file, times as UTC and what a record lacks as null; raise NoParquetError."""
    try:
        # Tens of megabytes that few need: an extra, and imported only for those who ask.
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise NoParquetError(INSTALL) from error
    types = {
        **dict.fromkeys(_TIMES, arrow.timestamp("us", tz="UTC")),
        **dict.fromkeys(_TEXTS, arrow.string()),
        **dict.fromkeys(_COUNTS, arrow.int64()),
        **dict.fromkeys(_MARKS, arrow.bool_()),
    }
    names = columns(records)
    schema = arrow.schema([(name, types.get(name, arrow.float64())) for name in names])
    values = [[_value(name, record.get(name)) for record in records] for name in names]
    arrays = [arrow.array(each, schema.field(name).type) for name, each in zip(names, values, strict=True)]
    file = io.BytesIO()
    parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), file, compression="zstd")
    return file.getvalue()


def _cell(name: str, record: Mapping[str, Any]) -> Any:
    return ("true" if name in record else "false") if name in _MARKS else record.get(name, "")


def _value(name: str, value: Any) -> Any:
    if name in _MARKS:
        return bool(value)
    return datetime.fromisoformat(value) if name in _TIMES and value is not None else value
