import math

import pytest

from agent.commands.table import cell_text, fixed, folded, layout, print_table, print_text, room
from tests.agent.commands.terminal import on_terminal


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


def test_a_table_through_a_pipe_is_plain_lines_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ("name", "amount", "reason"), [("a [b]", 1.5, "why " * 60), ("c", 22.25, "")])

    assert capsys.readouterr().out.splitlines() == [
        "Title",
        "name   amount  reason",
        f"a [b]     1.5  {'why ' * 60}".rstrip(),
        "c       22.25",
    ]


def test_numbers_stand_right_although_some_are_missing_and_so_do_columns_that_are_named() -> None:
    rows = [("a", 1, "0.50 %", "x"), ("b", None, "12.00 %", "y"), ("c", 100, "", "z")]

    assert layout(("name", "count", "load", "end"), rows, right=("load",)) == [
        "name  count     load  end",
        "a         1   0.50 %  x",
        "b            12.00 %  y",
        "c       100           z",
    ]


def test_only_the_last_column_folds_and_only_between_words() -> None:
    rows = [("main-meter/electricity", "the device is silent: check /dev/ttyUSB0?baud=9600"), ("b", "")]

    assert layout(("account", "reason"), rows, width=50) == [
        "account                 reason",
        "main-meter/electricity  the device is silent:",
        "                        check",
        "                        /dev/ttyUSB0?baud=9600",
        "b",
    ]


def test_columns_move_together_before_a_line_runs_over_and_nothing_is_ever_cut() -> None:
    rows = [("abcdef", 12345, "ghijkl")]

    assert layout(("one", "two", "three"), rows, width=21) == ["one       two  three", "abcdef  12345  ghijkl"]
    assert layout(("one", "two", "three"), rows, width=20) == ["one      two three", "abcdef 12345 ghijkl"]
    assert layout(("one", "two", "three"), rows, width=5) == ["one      two three", "abcdef 12345 ghijkl"]
    assert layout(("one", "two"), [("abcdef", 12345)], width=12) == ["one      two", "abcdef 12345"]


def test_wide_characters_take_two_columns() -> None:
    assert layout(("中文", "kgce"), [("煤", 1.5), ("coal", 2.5)]) == ["中文  kgce", "煤     1.5", "coal   2.5"]


def test_a_table_without_rows_is_its_headings() -> None:
    assert layout(("one", "two"), []) == ["one  two"]


def test_a_paragraph_folds_between_words_and_goes_on_further_right() -> None:
    assert folded("one two three", 9) == ["one two", "  three"]
    assert folded("one two three", math.inf) == ["one two three"]
    assert folded("incomprehensibilities of 12345", 10) == ["incomprehensibilities", "  of 12345"]


def test_a_terminal_gets_its_width_and_bold_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    print_table("Title", ("name", "reason"), [("pump", "word " * 20)])
    print_text("first " * 14 + "\nsecond", "  ")

    lines = terminal.lines
    assert lines[:2] == ["Title", "\x1b[1mname  reason\x1b[0m"]
    assert lines[3].startswith("      word")
    assert lines[4:] == ["  " + " ".join(["first"] * 13), "    first", "  second"]
    assert max(map(len, lines)) <= 80


def test_a_terminal_that_only_types_gets_plain_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, "dumb")
    print_table("", ("name",), [("pump",)])

    assert terminal.getvalue() == "name\npump\n"


def test_a_pipe_has_room_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert room() == math.inf
    print_text("word " * 60)
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, 22.25, None], ["1.000", "22.250", ""]),
        ([0.5, 4460.8], ["0.50", "4,460.80"]),
        ([1234567.8, 1.0], ["1,234,568", "1"]),
        ([-99.5], ["-99.500"]),
        ([], []),
        ([None], [""]),
        ([-0.0, -0.0001, -0.5], ["0.000", "0.000", "-0.500"]),
    ],
)
def test_figures_of_a_column_have_the_same_decimals(values: list[float | None], texts: list[str]) -> None:
    assert fixed(values) == texts
