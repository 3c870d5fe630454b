import io

import pytest

from agent.commands.outcome import cell_text, print_json, print_table, say_problems
from drivers.document import Problem


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (1.0, "1"),
        (0.123456789, "0.123457"),
        (412.5, "412.5"),
        (123456.7, "123,457"),
        (1234567.89, "1,234,567.9"),
        (7, "7"),
        ("x", "x"),
    ],
)
def test_a_cell_is_written_for_people(cell: object, text: str) -> None:
    assert cell_text(cell) == text


def test_a_table_through_a_pipe_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ("name", "amount"), [("a [b]", 1.5), ("c", 22.25)])

    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "Title",
        "name   amount",
        "a [b]     1.5",
        "c       22.25",
    ]


def test_json_ends_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    print_json({"中": 1})

    assert out.getvalue() == '{\n  "中": 1\n}\n'


@pytest.mark.parametrize(("count", "last"), [(1, "1 problem found"), (2, "2 problems found")])
def test_problems_are_counted(capsys: pytest.CaptureFixture[str], count: int, last: str) -> None:
    say_problems([Problem("site.toml", number, "wrong", "mend it") for number in range(1, count + 1)])

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "site.toml:1: wrong: mend it"
    assert lines[-1] == last
