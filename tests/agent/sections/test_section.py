"""What all tables of a configuration have in common."""

from agent.sections import LineSection


def test_tables_with_the_same_keys_share_what_says_so() -> None:
    lines = [LineSection(name=f"line-{number}", url="tcp://127.0.0.1") for number in range(2)]
    paused = LineSection.model_validate({"name": "line-9", "url": "tcp://127.0.0.1", "pause": "1s"})

    assert lines[0].model_fields_set is lines[1].model_fields_set
    assert lines[0].model_fields_set == {"name", "url"}
    assert paused.model_fields_set == {"name", "url", "pause"}


def test_a_table_that_is_copied_with_another_key_leaves_the_others_alone() -> None:
    line = LineSection(name="line-1", url="tcp://127.0.0.1")
    copied = line.model_copy(update={"timeout": 2.0})

    assert copied.model_fields_set == {"name", "url", "timeout"}
    assert line.model_fields_set == {"name", "url"}
