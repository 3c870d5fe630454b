"""The page that traces one figure back: its records are real, and its arithmetic is what it says."""

import json
import re
import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.store import record_hash

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("one-figure.md", "one-figure.zh-CN.md")


def records(page: str) -> list[dict[str, Any]]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def microseconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return round(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def millionths(reading: dict[str, Any], scale: float) -> int:
    octets = bytes.fromhex(reading["registers"])
    shown = int.from_bytes(octets, "big") * scale if scale != 1 else struct.unpack(">f", octets)[0]
    assert shown == pytest.approx(reading["value"])
    return round(shown * 1_000_000)


def counter_at(time: str, before: dict[str, Any], after: dict[str, Any], scale: float) -> int:
    low, high = millionths(before, scale), millionths(after, scale)
    passed, whole = (microseconds(end) - microseconds(before["time"]) for end in (time, after["time"]))
    return low + (high - low) * passed // whole


@pytest.mark.parametrize("page", PAGES)
def test_the_figures_of_the_page_follow_from_its_registers_by_its_steps(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8").replace(",", "")
    gas, bought = records(page)
    for record, scale in ((gas, 0.1), (bought, 1)):
        assert record_hash(record) == record["hash"]
        proof = record["evidence"]
        start = counter_at(record["start"], proof["open"], proof["open_next"], scale)
        end = counter_at(record["end"], proof["close"], proof["close_next"], scale)
        assert (end - start) / 1e6 == record["amount"]
        assert f"{start / 1e6:.6f}" in text
        assert f"{end / 1e6:.6f}" in text

    amount = gas["amount"]
    assert amount * 38.931 / 3.6 == pytest.approx(gas["energy_kwh"], abs=5e-7)
    assert amount * 38.931 / 29.3076 == pytest.approx(gas["kgce"], abs=5e-7)
    assert pytest.approx(gas["factor"]["value"]) == 389.31 * 0.0153 * 0.99 * 44 / 12
    assert amount * gas["factor"]["value"] / 10 == pytest.approx(gas["co2_kg"], abs=5e-7)
    amount = bought["amount"]
    assert amount * 0.1229 == pytest.approx(bought["kgce"], abs=5e-7)
    assert amount * bought["factor"]["value"] == pytest.approx(bought["co2_location_kg"], abs=5e-7)
    assert amount * bought["market_factor"]["value"] == pytest.approx(bought["co2_market_kg"], abs=5e-7)
    for record, keys in ((gas, ("energy_kwh", "kgce", "co2_kg")), (bought, ("kgce", "co2_kg", "co2_market_kg"))):
        for key in keys:
            assert f"**{record[key]:.6f} " in text, key


def test_both_languages_show_the_same_records() -> None:
    assert records(PAGES[0]) == records(PAGES[1])
