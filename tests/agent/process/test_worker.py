"""Functions run in a process of their own."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from agent.process.worker import Worker, WorkerError

HERE = __name__


def said(*words: str) -> tuple[str, ...]:
    print("whatever is printed on the way")  # noqa: T201  # that is the point
    return words


def refused(word: str) -> None:
    raise ValueError(word)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended() -> None:
    sys.exit(3)


def unspeakable() -> object:
    return lambda: None


def process_id() -> int:
    return os.getpid()


def standing() -> str:
    return Path("/proc/self/oom_score_adj").read_text(encoding="ascii").strip()


def slow(seconds: str) -> None:
    time.sleep(float(seconds))


def test_what_a_function_returns_comes_back_whatever_it_prints() -> None:
    assert Worker(HERE, "said", "a", "\u6c34").result() == ("a", "\u6c34")


def test_it_runs_in_another_process() -> None:
    assert Worker(HERE, "process_id").result() != os.getpid()


def test_what_a_function_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="no such word"):
        Worker(HERE, "refused", "no such word").result()


def test_an_error_says_where_it_was_raised_in_the_other_process() -> None:
    with pytest.raises(ValueError, match="no such word") as caught:
        Worker(HERE, "refused", "no such word").result()

    (note,) = caught.value.__notes__
    assert f'File "{__file__}"' in note
    assert "in refused" in note


@pytest.mark.parametrize(("function", "how"), [("killed", "was ended by SIGKILL"), ("ended", "ended with exit code 3")])
def test_a_process_that_ends_without_a_result_is_said_to_have(function: str, how: str) -> None:
    with pytest.raises(WorkerError, match=how):
        Worker(HERE, function).result()


def test_a_result_that_cannot_travel_is_told_where_the_function_is(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkerError, match="ended with exit code 1"):
        Worker(HERE, "unspeakable").result()
    assert "pickle" in capfd.readouterr().err


def test_one_that_nobody_waits_for_any_more_can_be_ended() -> None:
    worker = Worker(HERE, "slow", "60")
    worker.end()

    with pytest.raises(WorkerError, match="was ended by SIGKILL"):
        worker.result()


def test_one_whose_caller_is_gone_ends_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    worker = Worker(HERE, "slow", "0.2")
    assert worker._process.stdout is not None
    worker._process.stdout.close()

    assert worker._process.wait(20) == 0
    assert capfd.readouterr().err == ""


def test_it_is_the_first_to_go_where_memory_runs_out() -> None:
    assert Worker(HERE, "standing").result() == "500"


def test_where_no_process_can_be_had_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")

    with pytest.raises(WorkerError, match=r"could not begin \(No such file or directory\)"):
        Worker(HERE, "process_id")
