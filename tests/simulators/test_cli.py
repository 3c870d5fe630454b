import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from modbus_tk.modbus_tcp import TcpMaster

from simulators.cli import main

pytestmark = pytest.mark.integration


@contextmanager
def start(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "simulators.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout
    body: dict[str, Any] = json.loads(process.stdout.readline())
    return body


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_plant_is_served_until_a_signal_and_logs_what_it_served(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "served.jsonl"
    with start("plant", "--json", "--seed", "3", "--speed", "50", "--served", str(log)) as process:
        body = said(process)
        motor = next(device for device in body["devices"] if device["device"] == "motor-1")
        client = TcpMaster("127.0.0.1", int(motor["url"].rpartition(":")[2]), timeout_in_sec=5.0)
        words = client.execute(motor["unit"], 3, 0x0010, 2)
        client.close()
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (0, "")
    assert (body["plant"], body["seed"], body["speed"]) == ("demo", 3, 50.0)
    assert len(lines) == 1
    assert lines[0].pop("time_ns") > 10**18
    assert lines[0] == {
        "line": "boiler-house",
        "unit": 2,
        "function": 3,
        "address": 16,
        "count": 2,
        "data": f"{words[0]:04x}{words[1]:04x}",
    }


def test_the_table_says_what_is_served_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plant", "--for", "0.1"]) == 0

    printed = capsys.readouterr().out
    for word in ("boiler-1", "motor-2", "main-meter", "eastron/sdm630", "tcp://127.0.0.1:", "rtu+tcp://127.0.0.1:"):
        assert word in printed


@pytest.mark.parametrize(
    ("profile", "scheme", "options"),
    [
        ("eastron/sdm630", "tcp", ["--port", "0"]),
        ("generic/steam-boiler", "rtu+tcp", ["--rtu", "--unit", "9"]),
        ("generic/vfd-motor", "rtu", ["--serial", "{tmp}/line"]),
    ],
)
def test_one_device_is_served_by_its_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str, scheme: str, options: list[str]
) -> None:
    options = [option.format(tmp=tmp_path) for option in options]
    assert main(["device", profile, "--json", "--for", "0.1", *options]) == 0

    (device,) = json.loads(capsys.readouterr().out)["devices"]
    assert device["profile"] == profile
    assert device["url"].startswith(f"{scheme}://")
    assert device["unit"] == (9 if "--unit" in options else 1)


def test_a_whole_plant_can_stand_on_one_serial_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plant", "--json", "--for", "0.1", "--serial", str(tmp_path / "line")]) == 0

    devices = json.loads(capsys.readouterr().out)["devices"]
    assert {device["url"] for device in devices} == {f"rtu://{tmp_path}/line?baud=9600&parity=N&stop=1"}
    assert sorted(device["unit"] for device in devices) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["plant", "{tmp}/no.toml"], 2, "no.toml: cannot be read"),
        (["plant", "{tmp}/bad.toml"], 2, "bad.toml:2: not valid TOML"),
        (["plant", "--served", "{tmp}/no/log"], 2, "cannot be written"),
        (["plant", "{twenty}", "--serial", "{tmp}/line"], 2, "cannot share one serial line"),
        (["device", "eastron/sdm63"], 2, "did you mean 'eastron/sdm630'"),
        (["device", "{tmp}/no.toml"], 2, "no.toml: cannot be read"),
        (["device", "eastron/sdm630", "--serial", "{tmp}/x", "--rtu"], 2, "leave one of"),
        (["device", "eastron/sdm630", "--serial", "{tmp}/bad.toml"], 3, "is no serial port"),
        (["device", "eastron/sdm630", "--port", "{taken}"], 3, "in use by another program"),
    ],
)
def test_a_users_mistake_is_one_line_and_the_right_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    (tmp_path / "bad.toml").write_text("[plant]\nname = \n", encoding="utf-8")
    twenty = Path(__file__).parents[2] / "simulators" / "plants" / "twenty.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        filled = [argument.format(tmp=tmp_path, twenty=twenty, taken=port) for argument in arguments]

        assert main(filled) == code

    errors = capsys.readouterr().err
    assert text in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["plan"],
        ["plant", "--speed", "0"],
        ["plant", "--speed", "fast"],
        ["device", "eastron/sdm630", "--unit", "248"],
        ["device", "eastron/sdm630", "--port", "70000"],
        ["device", "eastron/sdm630", "--port", "1", "--serial", "x"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_that_can_no_longer_be_written_ends_the_program() -> None:
    with start("plant", "--json", "--served", os.devnull.replace("null", "full")) as process:
        motor = next(device for device in said(process)["devices"] if device["device"] == "motor-1")
        client = TcpMaster("127.0.0.1", int(motor["url"].rpartition(":")[2]), timeout_in_sec=5.0)
        client.execute(motor["unit"], 3, 0x0010, 2)
        client.close()
        _, errors = process.communicate(timeout=10)

    assert process.returncode == 2
    assert "/dev/full: cannot be written" in errors
