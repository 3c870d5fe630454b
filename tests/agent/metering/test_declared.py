"""Replacements and initial readings that somebody declares, and what they make known."""

import json
from collections.abc import Sequence

import pytest

from agent.metering.amount import NS_PER_S, Declaration, Delta, Reading, Rule, quanta
from agent.metering.counter import Counter

START_NS = 1_780_000_000 * NS_PER_S


def at(second: float, value: float) -> Reading:
    time_ns = START_NS + round(second * NS_PER_S)
    return Reading(time_ns, time_ns, value, b"", "boot")


def declared(second: float, last: float | None, first: float) -> Declaration:
    return Declaration("m/e", START_NS + round(second * NS_PER_S), last, first, "calibration is due", "Li Wei")


def counter(*declarations: Declaration, modulus: float | None = None) -> Counter:
    made = Counter(modulus=modulus, max_rate=0.1, gap_after_s=60, resolution=0.01)
    made.declared.declare(declarations)
    return made


def booked(made: Counter, readings: Sequence[Reading]) -> list[Delta]:
    return [delta for reading in readings for delta in made.book(reading)]


def total(deltas: Sequence[Delta]) -> int:
    return sum(delta.quanta for delta in deltas)


OLD = [at(0, 5000.0), at(30, 5001.0), at(60, 5002.0)]
NEW = [at(600, 12.5), at(630, 13.5), at(660, 14.5)]
KNOWN = quanta(2.0) + quanta(5003.5 - 5002.0) + quanta(12.5 - 12.0) + quanta(2.0)


@pytest.mark.parametrize("when", [100, 599, 30, 900, 30_000])
def test_a_declared_replacement_books_both_known_parts_wherever_people_saw_the_time(when: float) -> None:
    made = counter(declared(when, 5003.5, 12.0))

    deltas = booked(made, [*OLD, *NEW])

    assert total(deltas) == KNOWN
    step = next(delta for delta in deltas if delta.rule is Rule.REPLACEMENT)
    assert step.declared is not None
    assert (step.declared.author, step.start.value, step.end.value) == ("Li Wei", 5002.0, 12.5)
    assert not step.measured, "ten minutes without a reading are a gap"
    assert "Li Wei declares (calibration is due): 2 booked" in made.events[-1].text


def test_a_declaration_made_before_the_change_leaves_the_old_meter_alone_until_it_comes() -> None:
    made = counter(declared(45, 5003.5, 12.0))

    deltas = booked(made, [*OLD, at(90, 5003.0), *NEW])

    assert total(deltas) == KNOWN
    assert [delta.rule for delta in deltas if delta.declared] == [Rule.REPLACEMENT]


def test_a_meter_that_shows_more_than_the_old_one_is_known_by_the_declared_time() -> None:
    made = counter(declared(75, 5002.2, 5002.5))

    deltas = booked(made, [*OLD, at(90, 5003.0)])

    assert total(deltas) == quanta(2.0) + quanta(0.2) + quanta(0.5)


def test_a_single_zero_beside_a_declared_replacement_is_still_a_glitch() -> None:
    made = counter(declared(75, 5003.0, 0.0))

    deltas = booked(made, [*OLD, at(90, 0.0), at(120, 5003.0), at(150, 5004.0)])

    assert total(deltas) == quanta(4.0)
    assert all(delta.declared is None for delta in deltas)


def test_a_declared_replacement_is_no_rollover() -> None:
    made = counter(declared(75, 9999.0, 0.5), modulus=10_000.0)

    deltas = booked(made, [at(0, 9997.0), at(60, 9998.0), at(90, 1.0)])

    assert total(deltas) == quanta(1.0) + quanta(1.0) + quanta(0.5)


def test_what_was_declared_is_booked_once_whatever_is_started_or_declared_again() -> None:
    given = declared(100, 5003.5, 12.0)
    made = counter(given)
    deltas = booked(made, [*OLD, *NEW])
    state = json.loads(json.dumps(made.state()))
    again = counter(given)
    again.restore(state)
    again.declared.declare([given])

    more = booked(again, [at(690, 15.5)])

    assert again.declared.pending == []
    assert not again.explained()
    assert total([*deltas, *more]) == KNOWN + quanta(1.0)


def test_a_replacement_nobody_had_declared_can_be_explained_later_once() -> None:
    made = counter()
    deltas = booked(made, [*OLD, *NEW])
    assert total(deltas) == quanta(2.0) + quanta(2.0), "nothing is invented"

    made.restore(json.loads(json.dumps(made.state())))
    made.declared.declare([declared(300, 5003.5, 12.0)])
    (late,) = made.explained()

    assert (late.change.last, late.change.first) == (OLD[-1], NEW[0])
    assert total(deltas) + late.quanta == KNOWN
    made.declared.use(late.declaration, late.change.last, late.change.first)
    assert not made.explained()
    made.declared.declare([late.declaration])
    assert not made.explained()


@pytest.mark.parametrize(
    ("last", "first", "why"),
    [(5001.0, 12.0, "less than was read of the old one"), (5003.5, 13.0, "more than was read of the new one")],
)
def test_a_declaration_the_readings_contradict_books_nothing(last: float, first: float, why: str) -> None:
    made = counter(declared(300, last, first))

    assert total(booked(made, [*OLD, *NEW])) == quanta(4.0), why
    assert not made.explained()


@pytest.mark.parametrize(("last", "first"), [(5003.0, 1e300), (1e13, 0.0), (None, float("inf")), (None, -1e300)])
def test_a_declaration_beyond_all_counters_that_was_kept_explains_nothing_and_stops_nothing(
    last: float | None, first: float
) -> None:
    made = counter(declared(75, last, first))

    assert total(booked(made, [*OLD, at(90, 5003.0)])) == quanta(3.0)


def test_an_initial_reading_books_what_was_counted_before_the_first_poll() -> None:
    made = counter(declared(-3600, None, 4990.0))

    deltas = booked(made, OLD)

    assert total(deltas) == quanta(12.0)
    assert (deltas[0].rule, deltas[1].rule, deltas[1].measured) == (Rule.FIRST, Rule.GAP, False)


def test_an_initial_reading_declared_later_explains_the_first_poll() -> None:
    made = counter()
    booked(made, OLD)
    made.declared.declare([declared(-3600, None, 4990.0)])

    (late,) = made.explained()

    assert (late.change.last, late.quanta) == (None, quanta(10.0))
