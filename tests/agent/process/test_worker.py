"""Functions run in a process of their own."""

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.process.worker import Copy, Worker, WorkerError

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
"""Those who run the tests have threads; the agent has none when it makes a copy of itself."""

HERE = __name__
Kind = type[Worker | Copy]


@pytest.fixture(params=[Worker, Copy])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def said(*words: str) -> tuple[str, ...]:
    print("whatever is printed on the way")  # noqa: T201  # that is the point
    return words


def refused(word: str) -> None:
    raise ValueError(word)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended() -> None:
    os._exit(3)


def unspeakable() -> object:
    return lambda: None


def process_id() -> int:
    return os.getpid()


def standing() -> str:
    return Path("/proc/self/oom_score_adj").read_text(encoding="ascii").strip()


def slow(seconds: str) -> None:
    time.sleep(float(seconds))


def test_what_a_function_returns_comes_back_whatever_it_prints(kind: Kind) -> None:
    assert kind(HERE, "said", "a", "\u6c34").result() == ("a", "\u6c34")


def test_it_runs_in_another_process(kind: Kind) -> None:
    assert kind(HERE, "process_id").result() != os.getpid()


def test_what_a_function_raises_is_raised_here(kind: Kind) -> None:
    with pytest.raises(ValueError, match="no such word"):
        kind(HERE, "refused", "no such word").result()


def test_an_error_says_where_it_was_raised_in_the_other_process(kind: Kind) -> None:
    with pytest.raises(ValueError, match="no such word") as caught:
        kind(HERE, "refused", "no such word").result()

    (note,) = caught.value.__notes__
    assert f'File "{__file__}"' in note
    assert "in refused" in note


@pytest.mark.parametrize(("function", "how"), [("killed", "was ended by SIGKILL"), ("ended", "ended with exit code 3")])
def test_a_process_that_ends_without_a_result_is_said_to_have(kind: Kind, function: str, how: str) -> None:
    with pytest.raises(WorkerError, match=how):
        kind(HERE, function).result()


def test_a_result_that_cannot_travel_is_told_where_the_function_is(
    kind: Kind, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WorkerError, match="ended with exit code 1"):
        kind(HERE, "unspeakable").result()
    assert "pickle" in capfd.readouterr().err


def test_one_that_nobody_waits_for_any_more_can_be_ended(kind: Kind) -> None:
    worker = kind(HERE, "slow", "60")
    worker.end()

    with pytest.raises(WorkerError, match="was ended by SIGKILL"):
        worker.result()


def test_one_whose_caller_is_gone_ends_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    worker = Worker(HERE, "slow", "0.2")
    assert worker._process.stdout is not None
    worker._process.stdout.close()

    assert worker._process.wait(20) == 0
    assert capfd.readouterr().err == ""


def test_it_is_the_first_to_go_where_memory_runs_out(kind: Kind) -> None:
    assert kind(HERE, "standing").result() == "500"


def test_where_no_process_can_be_had_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")

    with pytest.raises(WorkerError, match=r"could not begin \(No such file or directory\)"):
        Worker(HERE, "process_id")


@pytest.mark.parametrize("asked", ["pipe", "fork"])
def test_where_no_copy_can_be_had_that_is_said(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(f"os.{asked}", refuse)

    with pytest.raises(WorkerError, match=r"could not begin \(Resource temporarily unavailable\)"):
        Copy(HERE, "process_id")


@pytest.fixture
def no_zombies() -> Iterator[None]:
    """As a caller leaves it who has the system forget the children of his own."""
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, former)


@pytest.mark.usefixtures("no_zombies")
def test_a_copy_is_waited_for_also_where_the_system_forgets_children() -> None:
    assert Copy(HERE, "said", "a").result() == ("a",)


@pytest.mark.usefixtures("no_zombies")
def test_a_copy_that_has_ended_by_itself_can_be_ended_also_where_the_system_forgets_children() -> None:
    copy = Copy(HERE, "ended")
    assert copy._output.read() == b""  # it has closed its end
    time.sleep(0.2)

    copy.end()

    with pytest.raises(WorkerError, match="ended with exit code 3"):
        copy.result()


def test_a_copy_whose_caller_is_gone_ends_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    copy = Copy(HERE, "slow", "0.2")
    copy._output.close()

    assert os.waitpid(copy._pid, 0)[1] == 0
    assert capfd.readouterr().err == ""


def handlers() -> tuple[bool, ...]:
    ending = (signal.SIGINT, signal.SIGTERM)
    return *(signal.getsignal(each) is signal.SIG_DFL for each in ending), os.getsid(0) == os.getpid()


def test_a_copy_leaves_to_the_other_what_it_does_when_it_is_asked_to_end() -> None:
    assert Copy(HERE, "handlers").result() == (True, True, True)


def test_a_copy_that_has_ended_is_not_ended_again(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Copy(HERE, "process_id")
    copy.result()
    monkeypatch.setattr("os.kill", lambda *_: pytest.fail("its number may be that of another process"))

    copy.end()
