"""The load of lines, worked out by hand from the bytes on the wire."""

import pytest

from agent.polling.lineload import fitting_every_s, load, request_s
from agent.sections import DeviceSection, LineSection
from drivers.plan import PlannedBlock, plan
from drivers.profile_file import load_profile
from drivers.reading import Block

METER = load_profile("eastron/sdm630")


def line(url: str) -> LineSection:
    return LineSection(name="bus", url=url)


def meters(count: int, every: str) -> list[DeviceSection]:
    return [
        DeviceSection.from_file(
            {"name": f"m-{n}", "area": "a", "line": "bus", "unit": n + 1, "profile": "eastron/sdm630", "every": every}
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("url", "function", "count", "seconds"),
    [
        # 8 bytes go and 5 + 2 per register come, 10 bits each, twice 3.5 bytes' silence; 20 ms thought, 20 ms pause.
        ("rtu:///dev/ttyS0?baud=9600", 3, 10, (8 + 25 + 7) * 10 / 9600 + 0.04),
        ("rtu:///dev/ttyS0?baud=9600&parity=E", 3, 10, (8 + 25 + 7) * 11 / 9600 + 0.04),
        ("rtu:///dev/ttyS0?baud=9600", 1, 10, (8 + 7 + 7) * 10 / 9600 + 0.04),
        ("rtu+tcp://10.0.0.5:4001", 3, 10, (8 + 25) * 10 / 9600 + 0.04),
        ("tcp://10.0.0.5:502", 3, 10, 0.005),
    ],
)
def test_a_request_takes_bytes_thought_and_pause(url: str, function: int, count: int, seconds: float) -> None:
    section = line(url)
    planned = PlannedBlock(Block(function, 0, count), 1.0, ())

    assert request_s(section.endpoint, section.pause_s, planned) == pytest.approx(seconds)
    assert load(section.endpoint, section.pause_s, [planned, planned]) == pytest.approx(2 * seconds)


@pytest.mark.parametrize("devices", [5, 32])
def test_the_cadence_that_fits_leaves_room_and_the_next_faster_one_does_not(devices: int) -> None:
    section, found = line("rtu:///dev/ttyS0?baud=9600"), meters(devices, "1s")
    profiles = {device.name: METER for device in found}

    every_s = fitting_every_s(section, found, profiles)

    assert every_s is not None

    def share(every_s: float) -> float:
        return devices * load(section.endpoint, section.pause_s, plan(METER, every_s=every_s))

    assert share(every_s) <= 0.7
    assert share(every_s / 2.5) > 0.7


def test_no_cadence_fits_when_there_is_too_much_altogether() -> None:
    section, found = line("rtu:///dev/ttyS0?baud=300"), meters(247, "1s") * 20

    assert fitting_every_s(section, found, {device.name: METER for device in found}) is None
