import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.process.notify import notify, watchdog_interval_s


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listen as a service manager does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_a_message_is_one_datagram(manager: socket.socket) -> None:
    notify("READY=1")
    notify("WATCHDOG=1")

    assert manager.recv(100) == b"READY=1"
    assert manager.recv(100) == b"WATCHDOG=1"


def test_a_manager_that_has_no_time_keeps_nobody_and_gets_all_in_order(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    held = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text(encoding="ascii"))
    messages = [f"STATUS={number}" for number in range(held + 20)]
    for message in messages:
        notify(message)

    assert [manager.recv(100).decode() for _ in messages] == messages
    assert not caplog.text
    for thread in threading.enumerate():
        if thread.name == "notify":
            thread.join()


def test_an_at_sign_stands_for_the_abstract_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"energy-agent-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify("READY=1")

        assert listener.recv(100) == b"READY=1"


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    notify("READY=1")


def test_a_service_manager_that_does_not_listen_is_a_warning_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))

    notify("READY=1")

    assert "did not take READY=1" in caplog.text


@pytest.mark.parametrize(
    ("microseconds", "owner", "interval_s"),
    [("30000000", "", 15.0), ("30000000", str(os.getpid()), 15.0), ("30000000", "1", None), ("", "", None)],
    ids=["anybody's", "its own", "another's", "none"],
)
def test_the_watchdog_wants_a_sign_twice_within_its_time_out(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, owner: str, interval_s: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", owner)

    assert watchdog_interval_s() == interval_s
