"""Whether an agent has a serial port open, seen from the table of processes."""

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.commissioning.port import agent_on
from drivers.endpoint import parse_endpoint


@pytest.fixture
def port() -> Iterator[str]:
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def process(table: Path, number: int, words: list[str], opened: str) -> None:
    folder = table / str(number)
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "5").symlink_to(opened)
    (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")


@pytest.mark.parametrize(
    "words",
    [
        ["/opt/energy-agent/bin/python3", "/opt/energy-agent/bin/energy-agent", "run", "site.toml"],
        ["python3", "-m", "agent", "run", "site.toml"],
    ],
)
def test_an_agent_with_the_port_open_is_found(tmp_path: Path, port: str, words: list[str]) -> None:
    process(tmp_path, 4711, words, port)

    assert agent_on(parse_endpoint(f"rtu://{port}"), tmp_path) == 4711


def test_another_program_another_port_and_this_process_are_not_it(tmp_path: Path, port: str) -> None:
    process(tmp_path, 1, ["minicom", "energy-agent-notes.txt"], port)
    process(tmp_path, 2, ["energy-agent", "run"], "/dev/pts/ptmx")
    process(tmp_path, os.getpid(), ["energy-agent", "scan"], port)
    (tmp_path / "self").mkdir()

    assert agent_on(parse_endpoint(f"rtu://{port}"), tmp_path) is None


def test_a_link_to_the_port_is_the_port(tmp_path: Path, port: str) -> None:
    process(tmp_path / "proc", 7, ["energy-agent", "run"], port)
    (tmp_path / "meters").symlink_to(port)

    assert agent_on(parse_endpoint(f"rtu://{tmp_path}/meters"), tmp_path / "proc") == 7


def test_what_is_open_everywhere_and_network_lines_are_nobodys(tmp_path: Path) -> None:
    process(tmp_path, 7, ["energy-agent", "run"], "/dev/null")

    assert agent_on(parse_endpoint("rtu:///dev/null"), tmp_path) is None
    assert agent_on(parse_endpoint("tcp://127.0.0.1:502"), tmp_path) is None
