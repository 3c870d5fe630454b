"""Functions run in a process of their own."""

import os
import signal
import sys

import pytest

from agent.process.apart import Apart, ApartError

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


def test_what_a_function_returns_comes_back_whatever_it_prints() -> None:
    assert Apart(HERE, "said", "a", "\u6c34").result() == ("a", "\u6c34")


def test_it_runs_in_another_process() -> None:
    assert Apart(HERE, "process_id").result() != os.getpid()


def test_what_a_function_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="no such word"):
        Apart(HERE, "refused", "no such word").result()


@pytest.mark.parametrize(("function", "how"), [("killed", "was ended by SIGKILL"), ("ended", "ended with exit code 3")])
def test_a_process_that_ends_without_a_result_is_said_to_have(function: str, how: str) -> None:
    with pytest.raises(ApartError, match=how):
        Apart(HERE, function).result()


def test_a_result_that_cannot_travel_is_told_where_the_function_is(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ApartError, match="ended with exit code 1"):
        Apart(HERE, "unspeakable").result()
    assert "pickle" in capfd.readouterr().err
