import gc

from agent.books.bodies import telemetry_keys
from agent.polling import alike
from agent.polling.alike import codec_of
from agent.polling.learning import Learned
from agent.polling.polled import PolledDevice
from drivers.profile_file import load_profile
from drivers.reading import Block

METER = load_profile("eastron/sdm630")
HOLE = Learned(holes=(Block(4, 0x0034, 2),))


def test_devices_of_one_type_share_plan_and_tables() -> None:
    first, second = (PolledDevice(name, unit, METER, 1.0) for unit, name in enumerate(("a", "b"), 1))

    assert first.planned is second.planned
    assert first.cadences[0].codec is second.cadences[0].codec


def test_a_device_that_lacks_something_gets_its_own_and_the_others_keep_theirs() -> None:
    first, second = (PolledDevice(name, unit, METER, 1.0) for unit, name in enumerate(("a", "b"), 1))

    second.learn(HOLE)

    assert second.planned == HOLE.plan(METER, 1.0)
    assert first.planned == Learned().plan(METER, 1.0)
    second.learn(Learned())
    assert second.planned is first.planned


def test_another_cadence_or_another_profile_is_another_plan() -> None:
    codec = codec_of(METER, 1.0, Learned())

    assert codec_of(METER, 5.0, Learned()) is not codec
    assert codec_of(load_profile("eastron/sdm630"), 1.0, Learned()) is not codec


def test_what_no_device_uses_any_more_is_forgotten() -> None:
    gc.collect()  # what tests before this one have left may be forgotten as well
    device = PolledDevice("a", 1, load_profile("eastron/sdm630"), 7.0)
    before = len(alike._CODECS)

    del device
    gc.collect()

    assert len(alike._CODECS) == before - 1


def test_telemetry_keys_are_worked_out_once_for_each_profile() -> None:
    other = load_profile("eastron/sdm630")
    keys = telemetry_keys({"a": METER, "b": METER, "c": other})

    assert keys["a"] is keys["b"]
    assert keys["c"] is not keys["a"]
    assert keys["c"].points == keys["a"].points
