"""When an alarm is raised and when it ends, from samples alone."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.warning.rule import Rule, Sample, State, evaluate

S = 10**9
HOT = Rule(above=80.0, margin=5.0, for_ns=60 * S, gap_ns=30 * S)


def run(rule: Rule, samples: list[Sample], state: State | None = None) -> list[State]:
    states = [state or State()]
    for sample in samples:
        states.append(evaluate(rule, states[-1], sample))
    return states[1:]


def every_ten_s(*values: float | None) -> list[Sample]:
    return [Sample(10 * S * index, value) for index, value in enumerate(values)]


def test_an_alarm_is_raised_when_a_whole_duration_is_beyond_the_limit() -> None:
    states = run(HOT, every_ten_s(*[81.0] * 7))
    assert [state.active for state in states] == [False] * 6 + [True]


def test_a_single_value_inside_begins_the_duration_anew() -> None:
    states = run(HOT, every_ten_s(*[81.0] * 6, 80.0, *[81.0] * 6))
    assert not any(state.active for state in states)


def test_an_alarm_ends_only_inside_by_the_margin_and_for_the_duration() -> None:
    active = State(active=True)
    assert all(state.active for state in run(HOT, every_ten_s(*[76.0] * 30), active)), "not inside by the margin"
    states = run(HOT, every_ten_s(*[75.0] * 7), active)
    assert [state.active for state in states] == [True] * 6 + [False]


def test_without_a_duration_the_first_value_counts() -> None:
    assert run(Rule(below=0.9), [Sample(0, 0.89)])[0].active


def test_a_gap_makes_up_no_duration() -> None:
    states = run(HOT, [Sample(0, 90.0), Sample(31 * S, 90.0), Sample(61 * S, 90.0), Sample(90 * S, 90.0)])
    assert not any(state.active for state in states)
    assert evaluate(HOT, states[-1], Sample(91 * S, 90.0)).active


def test_what_is_not_known_neither_raises_nor_ends_and_says_so() -> None:
    for active in (False, True):
        known = run(HOT, [Sample(0, 90.0 if active else 20.0)], State(active=active))[0]
        short, long = run(HOT, [Sample(30 * S, None), Sample(31 * S, None)], known)
        assert (short.active, short.known) == (active, True)
        assert (long.active, long.known) == (active, False)
        assert evaluate(HOT, long, Sample(32 * S, 20.0)).known


def test_a_lost_reading_does_not_break_a_duration() -> None:
    states = run(HOT, every_ten_s(81.0, 81.0, None, 81.0, 81.0, None, 81.0))
    assert states[-1].active


def test_an_alarm_that_does_not_apply_any_more_ends() -> None:
    stopped = [Sample(10 * S * index, 90.0, applies=False) for index in range(7)]
    assert not run(HOT, stopped, State(active=True))[-1].active
    assert not any(state.active for state in run(HOT, stopped))


def test_an_alarm_that_does_not_apply_ends_without_any_value() -> None:
    stopped = [Sample(10 * S * index, None, applies=False) for index in range(7)]
    states = run(HOT, stopped, State(active=True))
    assert [state.active for state in states] == [True] * 6 + [False]


def test_a_sample_older_than_the_last_changes_nothing() -> None:
    state = run(HOT, [Sample(100 * S, 90.0)])[0]
    assert evaluate(HOT, state, Sample(99 * S, 20.0)) == state


RULES = st.builds(
    Rule,
    above=st.integers(5, 10).map(float),
    below=st.integers(-10, -5).map(float),
    margin=st.integers(0, 4).map(float),
    for_ns=st.integers(0, 5),
    gap_ns=st.integers(1, 4),
)
SAMPLES = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.integers(-15, 15).map(float), st.booleans()), max_size=60
).map(
    lambda steps: [
        Sample(sum(step[0] for step in steps[: index + 1]), value, applies)
        for index, (_, value, applies) in enumerate(steps)
    ]
)


@given(RULES, SAMPLES)
def test_every_change_is_backed_by_a_whole_duration_of_values_without_a_gap(rule: Rule, samples: list[Sample]) -> None:
    states = [State(), *run(rule, samples)]
    for index, (before, after) in enumerate(pairwise(states)):
        if before.active == after.active:
            continue
        now_ns = samples[index].at_ns
        known = [sample for sample in samples[: index + 1] if sample.value is not None or not sample.applies]
        backing: list[Sample] = []
        for sample in reversed(known):
            value = sample.value or 0.0
            agrees = (
                (sample.applies and rule.beyond(value)) if after.active else (not sample.applies or rule.settled(value))
            )
            if not agrees or (backing and backing[-1].at_ns - sample.at_ns > rule.gap_ns):
                break
            backing.append(sample)
        assert backing
        assert now_ns - backing[-1].at_ns >= rule.for_ns


@given(RULES, SAMPLES)
def test_two_changes_are_never_closer_than_the_duration(rule: Rule, samples: list[Sample]) -> None:
    states = [State(), *run(rule, samples)]
    changes = [samples[i].at_ns for i, (a, b) in enumerate(pairwise(states)) if a.active != b.active]
    assert all(later - earlier >= rule.for_ns for earlier, later in pairwise(changes))


@given(RULES, SAMPLES)
def test_between_limit_and_margin_nothing_changes(rule: Rule, samples: list[Sample]) -> None:
    states = [State(), *run(rule, samples)]
    for index, (before, after) in enumerate(pairwise(states)):
        value = samples[index].value
        between = value is not None and not rule.beyond(value) and not rule.settled(value)
        if samples[index].applies and (value is None or between):
            assert before.active == after.active
