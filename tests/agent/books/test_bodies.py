from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.books import bodies
from agent.books.columns import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED, MEASURED_S
from agent.books.conversions import Conversions
from agent.books.interval_body import interval_body
from agent.books.ledger import Ledger, WindowFigures
from agent.carbon.emission import Conversion
from agent.carbon.library import load_library
from agent.config import SiteConfig
from agent.intensity.rolling import intensity_window
from agent.metering.amount import Reading
from agent.metering.interval import ClosedInterval
from agent.plant import Account
from agent.store import record_hash
from drivers.frame import Frame
from drivers.reading import Quality
from tests.agent.frames import DEVICES, SITE, configured, frame, lost_frame

S = 10**9
NOW = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * S
LIBRARY = load_library()


@pytest.fixture
def config(tmp_path: Path) -> SiteConfig:
    return configured(tmp_path, SITE + DEVICES)


def ledger_of(config: SiteConfig) -> Ledger:
    return Ledger(config, LIBRARY, start_ns=NOW)


def figures(ledger: Ledger, columns: dict[str, dict[int, float]], *, elapsed_s: float = 60.0) -> WindowFigures:
    """Return a window in which accounts, named by their device, have grown as told."""
    values = np.zeros_like(ledger.row)
    names = {"fan": "fan-1/electricity", "boiler": "boiler-1/natural_gas", "steam": "steam"}
    for key, grown in columns.items():
        for kind, amount in grown.items():
            values[kind, ledger.position[names[key]]] = amount
    return WindowFigures("1min", 60.0, elapsed_s, values)


def window(config: SiteConfig, grown: dict[int, float], *, elapsed_s: float = 60.0) -> dict[str, Any]:
    ledger = ledger_of(config)
    account = ledger.plant.accounts[0]
    weight = ledger.conversions.at(account, NOW)
    return bodies.account_window("works", account, figures(ledger, {"fan": grown}, elapsed_s=elapsed_s), 0, weight, NOW)


def telemetry(config: SiteConfig, shown: Frame) -> dict[str, Any]:
    keys = bodies.TelemetryKeys(config.profiles["fan-1"])
    return bodies.telemetry("works", "boiler-house", shown, keys)


def test_telemetry_carries_values_by_quantity_and_unit_and_only_what_is_not_good_has_a_quality(
    config: SiteConfig,
) -> None:
    profile = config.profiles["fan-1"]
    body = telemetry(config, frame("fan-1", profile, {0x0010: "000f4240", 0x0020: "80000000"}, NOW))

    assert body["values"]["active_energy_import_kwh"] == 10_000.0
    assert body["values"]["speed_rpm"] == 0.0
    assert "active_power_kw" not in body["values"]
    assert body["quality"] == {"active_power_kw": "bad:not_available"}
    assert (body["time"], body["device"], body["schema"]) == (
        "2026-11-20T08:00:00.000000Z",
        "fan-1",
        "energy-agent/telemetry/1",
    )


def test_telemetry_of_a_good_poll_has_no_quality_at_all(config: SiteConfig) -> None:
    assert "quality" not in telemetry(config, frame("fan-1", config.profiles["fan-1"], {}, NOW))


def test_telemetry_of_a_silent_device_has_no_value_and_a_reason_for_each(config: SiteConfig) -> None:
    body = telemetry(config, lost_frame("fan-1", config.profiles["fan-1"], NOW))

    assert body["values"] == {}
    assert {*body["quality"].values()} == {"bad:comm_lost"}


def test_what_was_not_due_is_neither_a_value_nor_a_fault(config: SiteConfig) -> None:
    shown = frame("fan-1", config.profiles["fan-1"], {}, NOW)
    shown.quality[:] = Quality.NOT_READ
    shown.values[:] = np.nan
    body = telemetry(config, shown)

    assert body["values"] == {}
    assert "quality" not in body


def test_a_window_weighs_its_amount_and_says_how_much_was_measured(config: SiteConfig) -> None:
    grown = {AMOUNT: 2.0, MEASURED_S: 45.0, ESTIMATED: 0.5, CO2_KG: 1.3106, CO2_MARKET_KG: 1.2192}

    body = window(config, grown)

    assert {key: body[key] for key in ("amount", "unit", "energy_kwh", "kgce")} == {
        "amount": 2.0,
        "unit": "kWh",
        "energy_kwh": 2.0,
        "kgce": 0.2458,
    }
    assert (body["scope"], body["co2_kg"], body["co2_location_kg"], body["co2_market_kg"]) == (
        2,
        1.3106,
        1.3106,
        1.2192,
    )
    assert (body["coverage"], body["estimated"], body["mean_power_kw"]) == (0.75, 0.25, 120.0)
    assert (body["span"], body["account"], body["area"]) == ("1min", "fan-1/electricity", "boiler-house")


def test_the_mean_power_is_over_the_time_that_really_passed(config: SiteConfig) -> None:
    assert window(config, {AMOUNT: 1.0}, elapsed_s=30.0)["mean_power_kw"] == 120.0
    assert "mean_power_kw" not in window(config, {}, elapsed_s=0.0)


def test_coverage_is_of_the_whole_span_and_never_more_than_all_of_it(config: SiteConfig) -> None:
    assert window(config, {MEASURED_S: 30.0}, elapsed_s=30.0)["coverage"] == 0.5
    assert window(config, {MEASURED_S: 61.0})["coverage"] == 1.0


def intensity(config: SiteConfig, **columns: dict[int, float]) -> dict[str, Any]:
    ledger = ledger_of(config)
    return intensity_window("works", ledger.plant.intensities[0], ledger, figures(ledger, columns), NOW)


def test_an_intensity_is_everything_spent_by_what_was_made(config: SiteConfig) -> None:
    # 10 kWh and 20 Nm3 (216.283 333 kWh, 26.567 170 kgce) for 0.25 t of steam; CO2 6.553 + 43.243 776 kg
    body = intensity(
        config,
        fan={AMOUNT: 10.0, MEASURED_S: 60.0, CO2_KG: 6.553, CO2_MARKET_KG: 6.096},
        boiler={AMOUNT: 20.0, MEASURED_S: 30.0, CO2_KG: 43.243776, CO2_MARKET_KG: 43.243776},
        steam={AMOUNT: 0.25, MEASURED_S: 60.0},
    )

    assert (body["output"], body["output_amount"], body["output_unit"]) == ("steam", 0.25, "t")
    assert body["energy_kwh"] == 226.283333
    assert body["energy_kwh_per_t"] == 905.133333
    assert body["kgce_per_t"] == pytest.approx((10 * 0.1229 + 26.56717) / 0.25, abs=1e-5)
    assert body["co2_kg_per_t"] == 199.187104
    assert body["co2_market_kg_per_t"] == 197.359104
    assert body["coverage"] == 0.5, "no better than the worst of its parts"


def test_an_intensity_over_an_account_whose_co2_nobody_knows_gives_none_and_says_why(
    config: SiteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = Conversions.at

    def unknown(conversions: Conversions, account: Account, time_ns: int) -> Conversion | None:
        weight = at(conversions, account, time_ns)
        return replace(weight, co2_kg_per_unit=None) if weight and account.device == "boiler-1" else weight

    monkeypatch.setattr(Conversions, "at", unknown)
    body = intensity(config, fan={AMOUNT: 10.0, CO2_KG: 6.553}, boiler={AMOUNT: 20.0}, steam={AMOUNT: 0.25})

    assert not [key for key in body if key.startswith("co2")]
    assert body["incomplete"] == ["boiler-1/natural_gas"]
    assert body["energy_kwh_per_t"] == 905.133333, "what is known stays"


def test_there_is_no_intensity_while_nothing_is_made(config: SiteConfig) -> None:
    body = intensity(config, fan={AMOUNT: 10.0})

    assert not [key for key in body if "_per_" in key]
    assert body["energy_kwh"] == 10.0


def test_what_is_estimated_shows_in_every_intensity_that_contains_it(config: SiteConfig) -> None:
    spent, made = {AMOUNT: 10.0, ESTIMATED: 2.5}, {AMOUNT: 0.25, ESTIMATED: 0.025}

    assert intensity(config, fan=spent, boiler={AMOUNT: 20.0}, steam=made)["estimated"] == 0.25
    assert intensity(config, fan={AMOUNT: 10.0}, boiler={AMOUNT: 20.0}, steam=made)["estimated"] == 0.1
    assert intensity(config, fan={AMOUNT: 10.0}, steam={AMOUNT: 0.25})["estimated"] == 0.0


def test_an_intensity_is_per_unit_of_the_output_even_where_that_is_integrated_from_a_flow(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + DEVICES.replace('from = "steam_mass"', 'from = "steam_flow"'))

    body = intensity(config, fan={AMOUNT: 10.0}, steam={AMOUNT: 0.25})

    assert body["output_unit"] == "t"
    assert body["energy_kwh_per_t"] == 40.0
    assert [key for key in body if "_per_" in key and not key.endswith("_per_t")] == []


@pytest.mark.parametrize(
    ("registers", "raw"),
    [("001fffffffffffff", 2**53 - 1), ("0020000000000000", float(2**53)), ("7fffffffffffffff", float(2**63))],
)
def test_a_counter_too_large_for_canonical_json_still_gives_a_record_that_can_be_hashed(
    config: SiteConfig, registers: str, raw: float
) -> None:
    (ledger_account, *_) = ledger_of(config).plant.accounts
    source = ledger_of(config).point_of(ledger_account)
    assert source is not None
    point = replace(source, type="uint64", length=4)
    read = Reading(NOW, 0, 1.0, bytes.fromhex(registers))
    closed = ClosedInterval(NOW, NOW + 60 * S, 0, 0, 60.0, read, None, read, None, (), (), 0, "")

    body = interval_body("works", ledger_account, point, closed, None)

    assert body["evidence"]["open"]["raw"] == raw
    assert body["evidence"]["open"]["registers"] == registers
    assert record_hash(body).startswith("sha256:")


def test_the_mark_of_an_unverified_factor_reaches_every_figure_that_rests_on_it(tmp_path: Path) -> None:
    site = SITE.replace("\n\n[[line]]", '\nfuel_parameters = "NDRC-2015-other-industry"\n\n[[line]]')
    config = configured(tmp_path, site + DEVICES)
    ledger = ledger_of(config)
    fan, boiler = ledger.plant.accounts
    shown = figures(ledger, {"steam": {AMOUNT: 1.0}})

    assert intensity(config, steam={AMOUNT: 1.0})["unverified"] is True
    gas = bodies.account_window("works", boiler, shown, 1, ledger.conversions.at(boiler, NOW), NOW)
    assert gas["unverified"] is True
    electric = bodies.account_window("works", fan, shown, 0, ledger.conversions.at(fan, NOW), NOW)
    assert "unverified" not in electric


@pytest.mark.parametrize(
    ("covered", "estimated", "quality"),
    [
        (1.0, 0.0, "good"),
        (0.95, 0.0, "good"),
        (0.94, 0.0, "uncertain:incomplete"),
        (1.0, 0.01, "uncertain:estimated"),
        (0.0, 1.0, "uncertain:estimated"),
        (0.0, 0.0, "bad:comm_lost"),
    ],
)
def test_an_interval_is_good_only_when_it_was_measured(covered: float, estimated: float, quality: str) -> None:
    assert bodies.interval_quality(covered, estimated) == quality


def test_an_interval_of_readings_in_doubt_says_so_and_each_of_them_does(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    profile = config.profiles["fan-1"]
    for after_s in range(0, 210, 10):
        shown = frame("fan-1", profile, {0x0010: f"{1000 + after_s:08x}"}, NOW + after_s * S)
        if after_s in {20, 60}:
            shown.quality[:] = Quality.STALE
        ledger.take(shown)
        ledger.tick(NOW + after_s * S)
    book = ledger.books["fan-1/electricity"]
    records = []
    while closed := book.due(NOW + 200 * S):
        book.close(closed)
        records.append(interval_body("works", book.account, ledger.point_of(book.account), closed, None))

    assert [body["quality"] for body in records] == ["uncertain:stale"] * 2 + ["good"]
    assert [body["estimated"] for body in records] == [0.5, 0.166667, 0.0]
    assert records[0]["evidence"]["close"]["quality"] == "uncertain:stale"
    assert "quality" not in records[0]["evidence"]["open"]
    minute, quarter = (
        bodies.account_window("works", book.account, figures, 0, None, NOW) for figures in ledger.figures()
    )
    assert (minute.get("quality"), quarter["quality"]) == (None, "uncertain:stale")


def test_an_interval_of_an_output_names_it_and_weighs_nothing(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    profile = config.profiles["boiler-1"]
    for after_s in (0, 20, 40, 60):
        ledger.take(frame("boiler-1", profile, {0x0012: f"{5000 + after_s:08x}"}, NOW + after_s * S))
    book = ledger.books["steam"]
    closed = book.due(NOW + 60 * S)
    assert closed
    body = interval_body("works", book.account, ledger.point_of(book.account), closed, None)

    assert (body["account"], body["output"], body["amount"], body["unit"]) == ("steam", "steam", 0.06, "t")
    assert body["evidence"]["close"]["raw"] == 5060
    assert {"energy_kwh", "kgce", "co2_kg", "factor"}.isdisjoint(body)
    assert record_hash(body).startswith("sha256:")


def test_meta_tells_a_subscriber_all_it_needs_to_read_the_rest(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    account = ledger.plant.accounts[0]
    body = bodies.meta(
        "works",
        "boiler-house",
        "fan-1",
        config.profiles["fan-1"],
        {account.name: ledger.conversions.at(account, NOW)},
        {account.name: account.unit},
        config.digest,
    )

    assert body["quantities"]["active_power_kw"]["unit"] == "kW"
    assert body["quantities"]["active_power_kw"]["label_zh"]
    assert body["accounts"]["fan-1/electricity"]["factor"]["set"] == "CN-grid-2023"
    assert body["accounts"]["fan-1/electricity"]["factor"]["note"].startswith("2023 factor used for 2026")
    assert body["configuration"].startswith("sha256:")
    assert body["profile_digest"].startswith("sha256:")
    assert not [key for key in body["quantities"] if key.startswith("_")]
