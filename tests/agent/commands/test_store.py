import os
import sqlite3
import time
from pathlib import Path

import orjson
import pytest

from agent.cli import main
from agent.store import Store, read_status
from tests.agent.frames import DEVICES, SITE, configured


async def filled(store: Store) -> None:
    """Let a store hold ten records, two dead letters of one sink and one of the other."""
    await store.open()
    now_ns = time.time_ns()
    records = [store.append("telemetry", "hall/meter", now_ns - n * 10**9, {"x": n}) for n in range(10, 0, -1)]
    await store.flush()
    await store.peek("mqtt", 4)
    await store.acknowledge("mqtt", 4)
    for sink, record, reason in (
        ("mqtt", records[1], "payload format invalid"),
        ("mqtt", records[3], "70000 bytes are more than the broker takes"),
        ("influx", records[2], "HTTP 400: field type conflict"),
    ):
        await store.set_aside(sink, record, reason)
    await store.flush()


def opened(folder: Path) -> Store:
    return Store(folder / "store.db", max_size=1 << 30, commit_every_s=60, sinks=["mqtt", "influx"])


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    store = opened(tmp_path)
    await filled(store)
    await store.close()
    return configured(tmp_path, SITE + DEVICES + '\n[store]\npath = "store.db"\n').path


def left(path: Path) -> dict[str, int]:
    sinks = read_status(path.parent / "store.db").sinks
    return {name: sink.dead_letters for name, sink in sinks.items()}


def test_the_overview_tells_size_records_and_what_waits(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", str(path)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path.parent / 'store.db'}, times of Asia/Shanghai"
    assert lines[1].startswith("  size: 0.1 MiB, 0 % of 1GiB")
    assert lines[2:4] == ["  records: 10 telemetry", "  dropped undelivered: none"]
    assert [line.split(":")[0] for line in lines[4:]] == ["  influx", "  mqtt"]
    assert lines[4].endswith("s old; dead letters: 1")
    assert lines[5].endswith("s old; dead letters: 2")


def test_the_overview_as_json_has_the_age_of_the_oldest(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", str(path), "--json"]) == 0

    shown = orjson.loads(capsys.readouterr().out)
    assert shown["records"] == {"telemetry": 10}
    assert shown["max_bytes"] == 1 << 30
    assert (shown["sinks"]["mqtt"]["oldest_seq"], shown["sinks"]["influx"]["oldest_seq"]) == (5, 1)
    assert shown["sinks"]["influx"]["oldest_age_s"] - shown["sinks"]["mqtt"]["oldest_age_s"] == pytest.approx(4)
    assert shown["sinks"]["influx"]["dead_letters"] == 1


async def test_a_running_agents_store_can_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, store = configured(tmp_path, SITE + DEVICES + '\n[store]\npath = "store.db"\n').path, opened(tmp_path)
    await filled(store)
    try:
        assert main(["store", str(path)]) == 0
        assert main(["store", str(path), "--dead-letters"]) == 0
        assert main(["store", str(path), "--discard", "--yes", "--yes"]) == 2
    finally:
        await store.close()

    assert "is used by another energy-agent: stop it" in capsys.readouterr().err
    assert left(path) == {"mqtt": 2, "influx": 1}


def test_dead_letters_are_listed_with_their_reasons(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", str(path), "--dead-letters"]) == 0
    everyones = capsys.readouterr().out.splitlines()
    assert main(["store", str(path), "--dead-letters", "--sink", "influx"]) == 0
    one = capsys.readouterr().out.splitlines()

    assert [line.split()[1:5] for line in everyones[2:]] == [
        ["mqtt", "2", "telemetry", "hall/meter"],
        ["mqtt", "4", "telemetry", "hall/meter"],
        ["influx", "3", "telemetry", "hall/meter"],
    ]
    assert everyones[2].endswith("payload format invalid")
    assert len(one) == 3
    assert one[2].endswith("HTTP 400: field type conflict")


@pytest.mark.parametrize("action", [["--dead-letters"], ["--discard", "--yes", "--yes"], ["--export", "/dev/null"]])
def test_a_sink_that_is_not_there_is_named_with_those_that_are(
    path: Path, capsys: pytest.CaptureFixture[str], action: list[str]
) -> None:
    assert main(["store", str(path), *action, "--sink", "nope"]) == 2

    out, err = capsys.readouterr()
    assert (out, err) == ("", "there is no sink 'nope': known: influx, mqtt\n")
    assert left(path) == {"mqtt": 2, "influx": 1}


def test_dead_letters_are_exported_whole(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", str(path), "--export", str(tmp_path / "refused.jsonl"), "--sink", "mqtt"]) == 0
    assert "2 dead letters written" in capsys.readouterr().err
    assert main(["store", str(path), "--dead-letters", "--sink", "mqtt", "--json"]) == 0

    exported = [orjson.loads(line) for line in (tmp_path / "refused.jsonl").read_bytes().splitlines()]
    assert exported == orjson.loads(capsys.readouterr().out)
    assert [letter["record"]["seq"] for letter in exported] == [2, 4]
    assert exported[0].keys() == {"sink", "reason", "refused", "class", "key", "time", "record"}
    assert left(path) == {"mqtt": 2, "influx": 1}


def test_a_pipe_that_nobody_reads_is_no_place_to_export_to(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert main(["store", str(path), "--export", str(tmp_path / "pipe")]) == 2
    assert (
        capsys.readouterr().err == f"{tmp_path / 'pipe'}: is a pipe that nobody reads: check the path and its rights\n"
    )


def test_discarding_without_a_terminal_needs_yes_twice(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", str(path), "--discard"]) == 2
    assert main(["store", str(path), "--discard", "--yes"]) == 2
    assert "add --yes --yes" in capsys.readouterr().err
    assert left(path) == {"mqtt": 2, "influx": 1}
    assert main(["store", str(path), "--discard", "--sink", "mqtt", "--yes", "--yes"]) == 0
    assert left(path) == {"mqtt": 0, "influx": 1}
    assert "2 dead letters discarded" in capsys.readouterr().err
    assert main(["store", str(path), "--discard", "--yes", "--yes"]) == 0
    assert capsys.readouterr().err == "1 dead letter discarded\n"
    assert left(path) == {"mqtt": 0, "influx": 0}


@pytest.mark.parametrize(("answers", "code", "kept"), [("yn", 1, 2), ("n", 1, 2), ("yy", 0, 0), ("", 1, 2)])
def test_on_a_terminal_discarding_is_asked_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch, answers: str, code: int, kept: int
) -> None:
    given, asked = iter(answers), []

    def answer(question: str) -> str:
        asked.append(question)
        try:
            return next(given)
        except StopIteration as error:
            raise EOFError from error

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answer)

    assert main(["store", str(path), "--discard", "--sink", "mqtt"]) == code
    assert left(path)["mqtt"] == kept
    assert len(asked) == max(1, len(answers))


def test_what_was_exported_in_the_same_call_is_discarded_after_it(path: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "refused.jsonl"
    assert main(["store", str(path), "--export", str(missing), "--discard", "--yes", "--yes"]) == 2
    assert left(path) == {"mqtt": 2, "influx": 1}
    missing.parent.mkdir()
    assert main(["store", str(path), "--export", str(missing), "--discard", "--yes", "--yes"]) == 0
    assert len(missing.read_bytes().splitlines()) == 3
    assert left(path) == {"mqtt": 0, "influx": 0}


def test_a_damaged_dead_letter_is_not_shown_as_if_it_were_whole(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(path.parent / "store.db") as other:
        other.execute("UPDATE dead_letter SET payload = X'7B7D' WHERE seq = 2")
    other.close()

    assert main(["store", str(path), "--dead-letters", "--json"]) == 0
    assert [letter["record"]["seq"] for letter in orjson.loads(capsys.readouterr().out)] == [4, 3]


def test_what_cannot_be_done_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", str(path), "--sink", "mqtt"]) == 2
    (path.parent / "store.db").unlink()
    assert main(["store", str(path)]) == 2

    (path.parent / "store.db").mkdir()
    assert main(["store", str(path)]) == 2
    assert main(["intervals", str(path), "--from", "2026-11-20", "--to", "2026-11-21"]) == 2

    first, second, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("--sink chooses dead letters")
    assert "there is no store yet" in second
    assert others == [f"{path.parent / 'store.db'}: is a folder: name a file in it as [store] path"] * 2
