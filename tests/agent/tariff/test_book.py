"""The months of a tariff: intervals and their revisions in, sums out, across restarts and the ends of months."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.metering.amount import QUANTA_PER_UNIT
from agent.saved import UnreadableError
from agent.tariff.bill import bill
from agent.tariff.book import Booked, TariffBook, TariffBooks
from agent.tariff.month import Peak, month_of, start_of
from tests.agent.tariff.tables import HUBEI, SHANGHAI, tariff_of

NS = 10**9
STEP = 900 * NS
METER = "main-meter/electricity"


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * NS


def booked(start: str, kwh: float, *, account: str = METER, estimated: float = 0.0) -> Booked:
    start_ns = at(start)
    amounts = (round(kwh * QUANTA_PER_UNIT), round(estimated * QUANTA_PER_UNIT))
    return Booked(account, start_ns, start_ns + STEP, *amounts, STEP)


def test_the_month_changes_at_local_midnight() -> None:
    book = TariffBook(tariff_of(HUBEI))
    book.add(booked("2026-01-31T23:45", 5))
    book.add(booked("2026-02-01T00:00", 7))

    assert {name: month.quanta for name, month in book.months.items()} == {
        "2026-01": 5 * QUANTA_PER_UNIT,
        "2026-02": 7 * QUANTA_PER_UNIT,
    }
    assert book.month(at("2026-01-31T16:00")).quanta == 5 * QUANTA_PER_UNIT


def test_a_month_begins_at_midnight_on_the_wall_also_where_clocks_change_within_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    length_h = (start_of("2026-04", berlin) - start_of("2026-03", berlin)) / NS / 3600
    assert length_h == 31 * 24 - 1
    assert month_of(start_of("2026-04", berlin), berlin) == "2026-04"
    assert month_of(start_of("2026-04", berlin) - 1, berlin) == "2026-03"


def test_a_revision_changes_its_month_by_what_it_changed_though_the_month_is_over() -> None:
    book = TariffBook(tariff_of(HUBEI))
    book.add(booked("2026-01-31T10:00", 5, estimated=5))
    book.add(booked("2026-02-03T10:00", 1))
    book.add(Booked(METER, at("2026-01-31T10:00"), at("2026-01-31T10:15"), -QUANTA_PER_UNIT, -5 * QUANTA_PER_UNIT, 0))

    january = book.month(at("2026-01-31T10:00"))
    assert (january.quanta, january.estimated) == (4 * QUANTA_PER_UNIT, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-10, 10**9), st.booleans()), min_size=1, max_size=60))
def test_whatever_is_revised_the_month_is_what_its_latest_revisions_come_to(
    told: list[tuple[int, int, bool]],
) -> None:
    tariff = tariff_of(HUBEI)
    books = TariffBooks([tariff])
    latest: dict[int, int] = {}
    for slot, quanta, restarts in told:
        start_ns = at("2026-01-10T10:00") + slot * STEP  # from a flat hour over all other periods to the next day
        books.add(Booked(METER, start_ns, start_ns + STEP, quanta - latest.get(start_ns, 0), 0, 0))
        latest[start_ns] = quanta
        if restarts:
            saved = dict(books.states())
            books = TariffBooks([tariff])
            books.restore(saved.get)

    month = books.books["grid"].month(at("2026-01-10T10:00"))
    assert month.quanta == sum(latest.values())
    exact = Decimal(0)
    for start_ns, quanta in latest.items():
        charge = tariff.charge(start_ns)
        cost = charge.cost(quanta) if charge else None
        assert cost is not None
        exact += cost
    charged = bill(tariff, month, date(2026, 1, 31)).energy.value
    assert charged is not None
    assert abs(charged - exact) <= Decimal("0.005") * len(month.energy), "each line is rounded once, to the fen"


def test_reactive_energy_is_kept_by_account_and_others_are_not_billed() -> None:
    book = TariffBook(tariff_of(HUBEI))
    book.add(booked("2026-01-31T10:00", 5, account="main-reactive"))
    book.add(booked("2026-01-31T10:00", 5, account="fan-1/electricity"))

    month = book.month(at("2026-01-31T10:00"))
    assert month.reactive == {"main-reactive": 5 * QUANTA_PER_UNIT}
    assert month.quanta == 0


def test_months_and_the_highest_demand_go_on_after_a_restart() -> None:
    books = TariffBooks([tariff_of(HUBEI)])
    books.add(booked("2026-01-31T18:00", 5))
    books.add(booked("2026-01-31T18:00", 2, account="main-reactive"))
    books.books["grid"].see(Peak(400.25, at("2026-01-20T10:00"), 1.0, 0.0))
    books.books["grid"].see(Peak(399.0, at("2026-01-21T10:00"), 1.0, 0.0))
    saved = dict(books.states())

    again = TariffBooks([tariff_of(HUBEI)])
    assert again.restore(saved.get) == {}

    assert dict(again.states()) == saved
    month = again.books["grid"].month(at("2026-01-31T18:00"))
    assert month.peak == Peak(400.25, at("2026-01-20T10:00"), 1.0, 0.0)
    again.add(booked("2026-01-31T18:15", 5))
    assert list(month.energy.values()) == [10 * QUANTA_PER_UNIT], "a restored line goes on as the same line"


def test_a_window_that_ends_at_midnight_belongs_to_the_month_before() -> None:
    book = TariffBook(tariff_of(HUBEI))
    book.see(Peak(10.0, at("2026-02-01T00:00"), 1.0, 0.0))
    assert book.month(at("2026-01-15T00:00")).peak is not None
    assert book.month(at("2026-02-15T00:00")).peak is None


@pytest.mark.parametrize("state", [b"{", b'{"version":2}', b'{"version":2,"meter":"x","months":{"2026-01":{}}}'])
def test_a_damaged_state_is_named_and_begins_anew(state: bytes) -> None:
    books = TariffBooks([tariff_of(HUBEI)])
    unread = books.restore({"tariff/grid": state}.get)
    assert isinstance(unread["tariff/grid"][1], UnreadableError)
    assert books.books["grid"].months == {}


def test_another_meter_begins_anew() -> None:
    books = TariffBooks([tariff_of(HUBEI)])
    books.add(booked("2026-01-31T18:00", 5))
    other = TariffBooks([tariff_of(HUBEI.replace("main-meter/", "second-meter/"))])
    other.restore(dict(books.states()).get)
    assert other.books["grid"].months == {}


def test_only_the_months_of_about_a_year_are_kept() -> None:
    book = TariffBook(tariff_of(HUBEI))
    for month in range(1, 13):
        book.add(booked(f"2025-{month:02d}-10T00:00", 1))
    for month in range(1, 13):
        book.add(booked(f"2026-{month:02d}-10T00:00", 1))
    assert (min(book.months), max(book.months), len(book.months)) == ("2025-11", "2026-12", 14)
    book.add(booked("2025-01-10T00:00", 1))
    assert "2025-01" not in book.months
    assert len(book.months) == 14


def test_an_interval_says_its_period_its_price_and_what_it_costs() -> None:
    books = TariffBooks([tariff_of('accounts = ["fan-1/electricity"]\n' + HUBEI)])
    sharp = {"tariff": "grid", "tariff_period": "sharp", "price_cny_per_kwh": 1.049999, "cost_cny": 12.966438}
    # 12.349 kWh x 1.049999 = 12.966437651 CNY
    assert books.priced(METER, at("2026-01-15T18:45"), 12_349_000) == sharp
    assert books.priced("fan-1/electricity", at("2026-01-15T19:45"), 12_349_000) == sharp
    assert books.priced("fan-2/electricity", at("2026-01-15T18:45"), 12_349_000) == {}
    unpriced = books.priced(METER, at("2026-02-15T18:45"), 12_349_000)
    assert unpriced == {"tariff": "grid", "tariff_period": "sharp"}, "without a valid price there is no cost"
