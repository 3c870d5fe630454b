"""The figure that says whether a device's counter agrees with its power."""

from pathlib import Path

import pytest

from agent.books.ledger import Ledger
from tests.agent.desk import LIBRARY, START, S
from tests.agent.frames import DEVICES, SITE, configured, frame

POWER_W = 18_000


@pytest.mark.parametrize(("counts_per_poll", "expected"), [(5, 0.0), (4, -20.0), (10, 50.0)])
def test_counter_and_power_of_a_device_are_compared_in_the_ledger(
    tmp_path: Path, counts_per_poll: int, expected: float
) -> None:
    config = configured(tmp_path, SITE + DEVICES)
    ledger = Ledger(config, LIBRARY, start_ns=START)
    for poll in range(200):
        registers = {0x0010: f"{1000 + counts_per_poll * poll:08x}", 0x0020: f"{POWER_W:08x}"}
        ledger.take(frame("fan-1", config.profiles["fan-1"], registers, START + 10 * poll * S))

    (fan,) = [figure for figure in ledger.checks.figures(START) if figure.place == "boiler-house/fan-1"]

    # 18 kW for 1990 s are 9.95 kWh, five counts of 0.01 kWh every ten seconds.
    assert (fan.name, fan.unit, fan.span) == ("counter_check_deviation", "%", "1h")
    assert fan.value == pytest.approx(expected, abs=0.01)
    assert fan.inputs["integrated_kwh"] == pytest.approx(9.95, abs=0.06)


def test_a_device_nobody_has_read_has_no_deviation_and_says_what_is_missing(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + DEVICES)
    ledger = Ledger(config, LIBRARY, start_ns=START)

    figures = list(ledger.checks.figures(START))

    assert [figure.value for figure in figures] == [None, None]
    assert all(figure.missing for figure in figures)
