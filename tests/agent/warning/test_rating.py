"""A counter or a power far above its rating: the engineer is told what to do, and booking goes on when that is done."""

from pathlib import Path

import pytest

from agent.alarms.alarm import Alarm
from agent.books.columns import AMOUNT
from agent.books.ledger import Ledger
from agent.metering.amount import QUANTA_PER_UNIT
from agent.warning.rating import rating_alarms
from tests.agent.books.fans import FAN, START, Fan, ledger_of, rated_fan

KEY = "boiler-house/fan-1"


def alarm_of(ledger: Ledger) -> Alarm:
    (alarm,) = (alarm for alarm in rating_alarms(ledger.books.values(), START) if alarm.key == KEY)
    return alarm


def test_an_alarm_says_what_to_do_and_after_a_reload_with_the_right_rating_booking_goes_on(tmp_path: Path) -> None:
    config = rated_fan(tmp_path, "0.75 kW")
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    for second in range(0, 60, 10):
        fan.shows(second, 0, power_w=22_000)
    alarm = alarm_of(ledger)

    assert (alarm.key, alarm.name, alarm.active) == (KEY, "rated-power", True)
    assert alarm.text == (
        "fan-1/electricity: 22 kWh/h lasts, more than twenty times rated_power: nothing is booked: correct rated_power "
        "of fan-1, or type and scale in its profile, and reload the agent"
    )
    assert "请更正 fan-1 的 rated_power" in alarm.text_zh
    assert ledger.books[FAN].columns.present[AMOUNT] == 0.0

    config = rated_fan(tmp_path, "22 kW")
    anew = ledger_of(config)
    anew.restore(dict(ledger.states()).get)
    fan = Fan(config, anew)
    for second in range(60, 121, 10):
        fan.shows(second, 0, power_w=22_000)
    alarm = alarm_of(anew)

    assert not alarm.active
    assert anew.books[FAN].columns.present[AMOUNT] == pytest.approx(22.0 * 60 / 3600, abs=1 / QUANTA_PER_UNIT)


def test_a_counter_that_runs_far_above_its_rating_raises_it_too_and_nothing_is_lost(tmp_path: Path) -> None:
    config = rated_fan(tmp_path, "0.75 kW", integrated="")
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    for second in range(0, 120, 10):
        fan.shows(second, 1000 + 6 * second // 10)
    alarm = alarm_of(ledger)

    assert (alarm.key, alarm.active) == (KEY, True)
    assert alarm.text.startswith("fan-1/electricity: 21.6 kWh/h lasts, more than twenty times rated_power: nothing is")

    config = rated_fan(tmp_path, "22 kW", integrated="")
    anew = ledger_of(config)
    anew.restore(dict(ledger.states()).get)
    fan = Fan(config, anew)
    for second in range(120, 181, 10):
        fan.shows(second, 1000 + 6 * second // 10)
    alarm = alarm_of(anew)

    assert not alarm.active
    assert anew.books[FAN].columns.present[AMOUNT] == pytest.approx(1.08, abs=1 / QUANTA_PER_UNIT)


def test_it_is_one_alarm_for_each_device_and_over_while_nothing_is_out_of_reach(tmp_path: Path) -> None:
    config = rated_fan(tmp_path, "22 kW")
    found = {alarm.key: alarm.active for alarm in rating_alarms(ledger_of(config).books.values(), START)}
    assert found == dict.fromkeys({book.account.key for book in ledger_of(config).books.values()}, False)
