"""Every command's usage, exit codes and manners at the level of the program."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from agent.cli import main
from agent.commands.bookkeeping import BUNDLE, REPLAY, VERIFY
from agent.commands.outcome import Exit
from agent.commands.parser import SCHEMAS, parsed, parser
from tests.agent.frames import DEVICES, SITE, configured

COMMANDS = (
    "run", "check", "read", "scan", "decode", "devices", "factors", "status", "intervals", "store", "schema", "demo",
    "replace-meter", "revise", "intensity", "output",
)  # fmt: skip


def ended(*arguments: str) -> int:
    """Return the exit code of a command, however it ends."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(str(end.code))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["runn"],
        ["run"],
        ["check"],
        ["check", "a.toml", "b.toml"],
        ["read"],
        ["devices", "--xml"],
        ["intervals", "site.toml"],
        ["schema", "intervall"],
        ["demo", "--for", "soon"],
        ["demo", "--for", "-1"],
        ["demo", "--for", "nan"],
        ["demo", "--for", "inf"],
        ["intervals", "site.toml", "--from", "a", "--to", "b", "--account", ""],
        ["intervals", "site.toml", "--from", "a", "--to", "b", "--every", " "],
        ["revise", "site.toml", "--from", "a", "--to", "b", "--account", "", "--reason", "r", "--author", "a"],
    ],
)
def test_wrong_usage_is_one_line_with_where_to_look_and_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("energy-agent")
    assert "--help" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(command, "--help") == 0
    assert f"energy-agent {command}" in capsys.readouterr().out


@pytest.mark.parametrize("told", [REPLAY, BUNDLE, VERIFY])
def test_what_the_help_of_an_auditors_command_shows_as_example_is_understood(
    told: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    examples = [line.split()[1:] for line in told[1].splitlines() if line.startswith("  energy-agent ")]
    assert ended(examples[0][0], "--help") == 0
    shown = capsys.readouterr().out

    assert told[0] in shown
    assert told[1] in shown
    for words in examples:
        assert parser().parse_args(words).command == words[0]


def test_the_program_tells_its_version_and_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("--version") == 0
    assert capsys.readouterr().out.startswith("energy-agent ")

    assert ended("--help") == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", ["run", "check", "read", "status"])
def test_a_configuration_that_cannot_be_read_is_said_with_its_place(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.toml").write_text("[site]\nname = 1\n[[lin]]\n", encoding="utf-8")

    assert ended(command, str(tmp_path / "site.toml")) == 2
    assert ended(command, str(tmp_path / "none.toml")) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{tmp_path}/site.toml:2: " in err
    assert f"{tmp_path}/none.toml" in err
    assert "cannot be read" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_printed_as_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("schema", name) == 0

    assert orjson.loads(capsys.readouterr().out)


def test_the_schema_of_the_configuration_is_the_one_meant_when_none_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended("schema")
    ended("schema", "config")

    first, second = capsys.readouterr().out.split("\n}\n")[:2]
    assert first == second


def test_a_bug_ends_with_four_and_a_trace_for_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(*_: object, **__: object) -> Exit:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("agent.commands.parser._check", stumble)
    path = configured(tmp_path, SITE + DEVICES).path

    assert main(["check", str(path)]) == 4
    assert "internal error" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text


def test_a_mistake_in_a_factor_file_is_said_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text('id = "own"\ntitel = "wrong key"\n', encoding="utf-8")
    monkeypatch.setattr("agent.carbon.library._PACKAGED", tmp_path)

    assert ended("factors") == Exit.USAGE

    said = capsys.readouterr().err
    assert "own.toml:2: unknown key 'titel'" in said
    assert "Traceback" not in said


def test_an_interrupt_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> Exit:
        raise KeyboardInterrupt

    monkeypatch.setattr("agent.commands.parser._devices", interrupt)

    assert main(["devices"]) == 0


@pytest.mark.integration
def test_a_reader_that_goes_away_is_no_error() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "agent", "devices", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    said = program.stderr.read()
    program.stderr.close()

    assert (program.wait(timeout=30), said) == (0, b"")


@pytest.mark.integration
def test_both_ways_to_start_are_the_same_program() -> None:
    beside = os.path.join(os.path.dirname(sys.executable), "energy-agent")  # noqa: PTH118, PTH120  # not resolved: the venv's
    said = [
        subprocess.run([*start, "--version"], capture_output=True, check=True, timeout=30).stdout
        for start in ([beside], [sys.executable, "-m", "agent"])
    ]

    assert said[0] == said[1]


def _program(*arguments: str, redirected: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = f'exec "$0" -m agent {" ".join(arguments)} {redirected}'
    return subprocess.run(
        ["/bin/sh", "-c", line, sys.executable],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


@pytest.mark.integration
def test_a_closed_output_is_no_error() -> None:
    ended = _program("devices", "--json", redirected=">&-")

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.integration
def test_a_full_disk_behind_the_output_is_told_in_one_line() -> None:
    ended = _program("devices", "--json", redirected="> /dev/full")

    assert ended.returncode == 2
    assert ended.stderr == "the output cannot be written: no space is left where it goes\n"


@pytest.mark.integration
def test_help_that_nobody_can_read_for_a_full_disk_is_no_success() -> None:
    ended = _program("--help", redirected="> /dev/full")

    assert (ended.returncode, ended.stderr) == (2, "the output cannot be written: no space is left where it goes\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["output", "site.toml", "lime", "1", "--from", "a", "--to", "b", "--reason", "a\udcffb", "--author", "c"],
        ["output", "site.toml", "lime", "1", "--from", "a", "--to", "b", "--reason", "a", "--author", "a\udcffb"],
        ["bundle", "site.toml", "--from", "a", "--to", "b", "--out", "a\udcffb"],
        ["a\udcffb"],
    ],
)
def test_an_argument_that_is_no_text_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(*arguments) == 2
    said = "energy-agent: b'a\\xffb' is not UTF-8 text: type it in UTF-8: see 'energy-agent --help'\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("amount", ["-9e12", "-.5E-3", "-1.", "-inf", "-NaN"])
def test_a_number_below_zero_is_no_option_however_it_is_written(
    amount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    period = ["--from", "2025-11-20", "--to", "2025-11-21", "--reason", "r", "--author", "a"]
    assert ended("output", "nowhere.toml", "lime", amount, *period) == 2
    assert "nowhere.toml: cannot be read" in capsys.readouterr().err

    given = ["main-meter/electricity", "--at", "2025-11-20", "--first", amount, "--reason", "r", "--author", "a"]
    assert ended("replace-meter", "nowhere.toml", *given) == 2
    assert f"'{amount}' is no reading: write what the meter shows" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["verify", "{}", "--captures", "{}"], ["verify", "{}"], ["check", "{}"]])
def test_a_path_longer_than_any_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(*(each.format("x" * 300) for each in arguments)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "File name too long" in said


@pytest.mark.integration
def test_a_terminal_that_knows_no_chinese_shows_what_it_can() -> None:
    ended = _program("devices", "eastron/sdm630", redirected="", PYTHONIOENCODING="ascii")

    assert ended.returncode == 0
    assert "active_power" in ended.stdout


def test_to_run_the_agent_is_understood_alike_with_and_without_the_parser_of_all_commands() -> None:
    words = ["run", "/etc/energy-agent/energy-agent.toml"]

    assert parsed(words) == parser().parse_args(words)


@pytest.mark.parametrize("words", [["run"], ["run", "--help"], ["run", "a.toml", "b.toml"], ["runs", "a.toml"]])
def test_whatever_else_is_said_to_it_is_judged_by_that_parser(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(words)
