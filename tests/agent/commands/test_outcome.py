import io

import pytest

from agent.commands.outcome import print_json, say_problems
from drivers.document import Problem


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


def test_a_file_that_cannot_be_read_has_no_line_and_nothing_to_count(capsys: pytest.CaptureFixture[str]) -> None:
    say_problems([Problem("site.toml", 0, "cannot be read", "check path and rights")])

    assert capsys.readouterr().err == "site.toml: cannot be read: check path and rights\n"
