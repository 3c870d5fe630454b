"""Bills against published figures and calculations by hand, to the fen."""

from datetime import date, datetime
from decimal import Decimal

from agent.metering.amount import QUANTA_PER_UNIT
from agent.tariff.bill import bill
from agent.tariff.book import Booked, TariffBook
from agent.tariff.month import Line, Month, Peak
from agent.tariff.schedule import Period
from agent.tariff.tariff import Charge, Tariff
from tests.agent.tariff.tables import HUBEI, SHANGHAI, tariff_of

NS = 10**9
JANUARY = date(2026, 1, 31)
UP_TO_NOW = 1


def month_of(tariff: Tariff, *, reactive_kvarh: int, peak_kw: float | None = None, **kwh: float) -> Month:
    """Return a month with so many kWh in each period, at the prices of January 2026."""
    price = tariff.price(JANUARY)
    assert price is not None
    month = Month(to_ns=UP_TO_NOW, reactive={"main-reactive": reactive_kvarh * QUANTA_PER_UNIT})
    for name, amount in kwh.items():
        period = Period(name)
        line = Line.of(Charge(period, price.energy[period], price.surcharge))
        month.energy[line] = round(amount * QUANTA_PER_UNIT)
    month.peak = None if peak_kw is None else Peak(peak_kw, 0, 1.0, 0.0)
    return month


def test_the_published_hubei_table_adds_up_to_its_own_flat_price_and_multiples() -> None:
    # The table's parts, 0.384470 + 0.013643 + 0.1263 + 0.0452 + 0.082273, are its flat price; sharp is 2.00 times
    # the first two, valley 0.45 times (peak is printed as 1.495 times).
    price = tariff_of(HUBEI).price(JANUARY)
    assert price is not None
    floating = Decimal("0.384470") + Decimal("0.013643")
    rest = Decimal("0.1263") + Decimal("0.0452") + Decimal("0.082273")
    assert price.energy[Period.FLAT] == floating + rest
    assert price.energy[Period.SHARP] == 2 * floating + rest
    assert abs(price.energy[Period.VALLEY] - (floating * Decimal("0.45") + rest)) < Decimal("0.000001")


def test_a_bill_by_demand_at_the_published_hubei_prices_is_the_one_calculated_by_hand() -> None:
    # 12 000 kWh x 1.049999 = 12 599.99, 40 000 x 0.848961 = 33 958.44, 60 000 x 0.651886 = 39 113.16 and
    # 50 000 x 0.432924 = 21 646.20 make 107 317.79. Demand 412.5 kW x 42.0 = 17 325.00. Power factor
    # 162/sqrt(162^2 + 60^2) = 0.94: -0.60 % of 107 317.79 + 17 325.00 - 162 000 x 0.0452 (7 322.40) = 117 320.39,
    # that is -703.92. In all 123 938.87.
    tariff = tariff_of(HUBEI)
    month = month_of(
        tariff, reactive_kvarh=60_000, peak_kw=412.5, sharp=12_000, peak=40_000, flat=60_000, valley=50_000
    )

    told = bill(tariff, month, JANUARY)

    assert told.energy.value == Decimal("107317.79")
    assert told.fixed.value == Decimal("17325.00")
    assert told.power_factor.value == Decimal("0.94")
    assert told.adjustment.value == Decimal("-0.60")
    assert told.reactive.value == Decimal("-703.92")
    assert told.reactive.inputs["base_cny"] == Decimal("117320.39")
    assert told.total.value == Decimal("123938.87")
    assert told.total.unverified, "how meters take demand was not checked in a document"
    assert told.reactive.inputs["funds_cny"] == Decimal("7322.40")


def test_260_kwh_per_kva_take_a_tenth_off_the_demand_price() -> None:
    # 163 800 kWh / 630 kVA = 260: 412.5 x 42.0 x 0.9 = 15 592.50; one kWh less pays 17 325.00.
    tariff = tariff_of(HUBEI)
    charged = [
        bill(tariff, month_of(tariff, reactive_kvarh=0, peak_kw=412.5, flat=kwh), JANUARY).fixed
        for kwh in (163_799, 163_800)
    ]
    assert [item.value for item in charged] == [Decimal("17325.00"), Decimal("15592.50")]
    assert all(item.unverified for item in charged)


def test_a_published_bill_by_capacity_with_a_bad_power_factor() -> None:
    # From a utility's customer forum (suoa.com.cn/power/69.html): 2 650 kWh x 0.5344 = 1 416.16; 400 kVA x 26 =
    # 10 400; mean power factor 0.52 against 0.90. By the table that is 15 % + 13 x 2 % = 41 % of 11 816.16 = 4 844.63.
    text = """
        name = "works"
        meter = "main-meter/electricity"
        reactive = ["main-reactive"]
        power_factor = 0.90
        two_part = "capacity"
        capacity = "400 kVA"
        day = [{ hours = { flat = ["00:00-24:00"] } }]
        price = [{ from = 2026-01-01, flat = 0.5344, capacity = 26 }]
    """
    tariff = tariff_of(text)

    told = bill(tariff, month_of(tariff, reactive_kvarh=4353, flat=2650), JANUARY)

    assert told.energy.value == Decimal("1416.16")
    assert told.fixed.value == Decimal(10400)
    assert told.power_factor.value == Decimal("0.52")
    assert told.adjustment.value == Decimal(41)
    assert told.reactive.value == Decimal("4844.63")
    assert told.total.value == Decimal("16660.79")
    assert not told.total.unverified


def test_the_energy_of_a_published_sample_bill() -> None:
    # A convenience store in Energy Management Handbook, 18.5.1 (Public Service Electric & Gas): 17 588 kWh at
    # 0.09444 with an adjustment of -0.017192 come to 1 661.01 - 302.37.
    charges = [Charge(Period.FLAT, Decimal(price), Decimal(0)) for price in ("0.09444", "-0.017192")]
    costs = [charge.cost(17_588 * QUANTA_PER_UNIT) for charge in charges]
    assert [round(cost, 2) for cost in costs if cost is not None] == [Decimal("1661.01"), Decimal("-302.37")]


def test_100_kw_through_january_cost_what_the_hours_of_the_table_say() -> None:
    # 31 days of 2, 6, 8 and 8 h at 100 kW: 6 200 x 1.049999 = 6 509.99, 18 600 x 0.848961 = 15 790.67, 24 800 x
    # 0.651886 = 16 166.77, 24 800 x 0.432924 = 10 736.52; in all 49 203.95. Summed from 2 976 intervals of 25 kWh.
    tariff = tariff_of(HUBEI)
    book = TariffBook(tariff)
    start = int(datetime(2026, 1, 1, tzinfo=SHANGHAI).timestamp()) * NS
    step = 900 * NS
    for index in range(31 * 96):
        begin = start + index * step
        book.add(Booked(tariff.meter, begin, begin + step, 25 * QUANTA_PER_UNIT, 0, step))

    told = bill(tariff, book.month(start), JANUARY)

    assert told.energy.value == Decimal("49203.95")
    assert told.energy.inputs == {"sharp_kwh": 6200, "peak_kwh": 18600, "flat_kwh": 24800, "valley_kwh": 24800}


def test_what_is_missing_is_named_and_nothing_is_charged_in_its_place() -> None:
    tariff = tariff_of(HUBEI)
    empty = bill(tariff, Month(), JANUARY)
    assert (empty.total.value, empty.total.missing) == (
        None,
        ("a closed interval of this month", "a whole demand window of this month", "main-reactive"),
    )
    month = month_of(tariff, reactive_kvarh=1, peak_kw=10.0, flat=5)
    month.energy[Line("peak", "", "")] = QUANTA_PER_UNIT
    unpriced = bill(tariff, month, JANUARY)
    assert (unpriced.energy.value, unpriced.energy.missing) == (None, ("a valid price",))
    assert unpriced.fixed.value == Decimal("420.00"), "what can be worked out is"
    late = bill(tariff, month_of(tariff, reactive_kvarh=1, peak_kw=10.0, flat=5), date(2026, 2, 1))
    assert (late.fixed.value, late.fixed.missing) == (None, ("a valid price",))


def test_a_tariff_of_one_part_has_neither_fixed_charge_nor_adjustment() -> None:
    text = """
        name = "shop"
        meter = "main-meter/electricity"
        day = [{ hours = { flat = ["00:00-24:00"] } }]
        price = [{ from = 2026-01-01, flat = 0.715686 }]
    """
    tariff = tariff_of(text)
    told = bill(tariff, month_of(tariff, reactive_kvarh=0, flat=1000), JANUARY)
    assert told.total.value == told.energy.value == Decimal("715.69")
