"""A tariff in the running agent: what its records say, and what it saves together with them."""

from pathlib import Path

from agent.config.reload import difference
from agent.figures import figure_sources
from agent.schemas.account import Interval
from agent.tariff.figures import TariffFigures
from agent.tariff.month import Peak
from tests.agent.desk import MQTT, START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured

TARIFF = """
[[tariff]]
name = "grid"
meter = "fan-1/electricity"
two_part = "demand"
day = [{ hours = { peak = ["08:00-22:00"], valley = ["22:00-08:00"] } }]
price = [{ from = 2026-11-01, peak = 0.8333, valley = 0.4, demand = 40 }]
"""


def desk_of(folder: Path) -> Desk:
    return Desk(configured(folder, SITE + DEVICES + MQTT + TARIFF))


def test_interval_records_of_the_meter_say_what_they_cost_and_others_do_not(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)  # begins at 16:00 in Shanghai
    for after_s in range(0, 190, 10):
        desk.polled(after_s, 1000 + after_s)
        desk.boiler(after_s, 5000 + after_s)
    desk.bookkeeper.close_due(START + 180 * S)

    bodies = desk.store.bodies("interval")
    fans = [body for body in bodies if body["account"] == "fan-1/electricity"]
    # 0.6 kWh x 0.8333 CNY/kWh
    keys = ("tariff", "tariff_period", "price_cny_per_kwh", "cost_cny")
    assert [[body[key] for key in keys] for body in fans] == [["grid", "peak", 0.8333, 0.49998]] * 3
    assert all(key in Interval.model_json_schema()["properties"] for key in keys)
    assert not any("tariff" in body for body in bodies if body not in fans)


def test_the_months_are_saved_with_the_books_and_taken_up_after_a_restart_and_a_reload(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    desk.ledger.tariffs.books["grid"].see(Peak(12.5, START, 1.0, 0.0))
    desk.polled(0)
    desk.bookkeeper.save()
    saved = desk.store.states["tariff/grid"]
    again = Desk(desk.config)
    again.ledger.restore(desk.store.states.get)
    assert dict(again.ledger.tariffs.states()) == {"tariff/grid": saved}

    reloaded = Desk(desk.config)
    reloaded.ledger.take_over(again.ledger, lambda _: None)
    assert dict(reloaded.ledger.tariffs.states()) == {"tariff/grid": saved}


def test_damaged_months_are_set_aside_and_told_of(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    desk.ledger.restore({"tariff/grid": b"?"}.get)
    ((name, kept, event),) = desk.ledger.take_unread()
    assert (name, event.rule) == ("tariff/grid", "unreadable")
    assert "the months of this tariff begin anew" in event.text
    assert b"?" in kept


def test_a_tariff_has_figures_and_another_price_makes_another_ledger(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    sources = figure_sources(desk.config, desk.ledger, lambda _: {})
    (source,) = [source for source in sources if isinstance(source, TariffFigures)]
    found = {figure.name: figure for figure in source.figures(START)}
    assert found.keys() >= {"demand", "demand_forecast", "demand_max", "electricity_cost"}
    assert all((found[name].value, found[name].coverage) == (None, 0.0) for name in found if name != "energy_price")
    assert found["energy_price"].value == 0.8333
    text = (tmp_path / "site.toml").read_text(encoding="utf-8").replace("0.8333", "0.8334")
    assert difference(desk.config, configured(tmp_path, text)).ledger
