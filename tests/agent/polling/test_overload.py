from agent.polling.overload import Overload


def after_a_minute(load: Overload, made: int, skipped: int) -> bool:
    for _ in range(made):
        load.add(0)
    load.add(skipped)
    return load.judge(load.since + 60)


def test_a_line_is_overloaded_when_it_leaves_out_more_than_a_little_and_until_it_hardly_does() -> None:
    load = Overload(0.0)

    minutes = [(99, 1), (89, 10), (95, 3), (200, 1), (98, 2)]

    assert not load.judge(59.0), "no minute is over"
    # The first is told, whatever it was; between the two limits all stays as it is.
    assert [(after_a_minute(load, *minute), load.active) for minute in minutes] == [
        (True, False),
        (True, True),
        (False, True),
        (True, False),
        (False, False),
    ]


def test_a_minute_without_polls_is_no_overload() -> None:
    load = Overload(0.0)

    load.judge(60.0)
    assert load.share == 0.0


def test_what_is_said_has_figure_and_remedy() -> None:
    load = Overload(0.0)
    after_a_minute(load, 74, 25)

    assert load.text("bus").startswith("line bus leaves out 25 % of its polls because it is too slow for them: poll")
    assert "25 %" in load.text_zh("bus")
    after_a_minute(load, 100, 0)
    assert load.text("bus") == "line bus keeps its cadences"


def test_what_the_first_round_left_out_does_not_count() -> None:
    load = Overload(0.0)
    load.add(100)

    load.begin(30.0)

    assert not load.judge(61.0)
    assert after_a_minute(load, 100, 0)
    assert not load.active
