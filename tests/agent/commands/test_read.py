"""`read` against a device that answers as the test says."""

import asyncio
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest

from agent.cli import main
from agent.commands import watch
from agent.commands.poll import Answer
from tests.agent.commands.terminal import on_terminal
from tests.modbus_rig import Chunk, Request, honest, rig
from tests.servers import free_port

pytestmark = pytest.mark.integration

SENSOR = """
model = "two blocks"
kind = "sensor"
source = "defined by this test"
function = 3
type = "uint16"
max_gap = 0

[points]
temperature = { address = 0x0010, unit = "°C" }
humidity    = { address = 0x0100, unit = "%" }
"""


MORE = """
running = { address = 0x0013, type = "bit", bit = 1 }
fault = { address = 0x0013, type = "bit", bit = 2 }
power_factor = { address = 0x0014, scale = 0.001, unit = "1" }
current = { address = 0x0015, unit = "A", scale_from = "_ratio" }
_ratio = { address = 0x0016, unit = "factor" }
"""


def written(folder: Path, *urls: str) -> Path:
    """Write a configuration with a sensor on each line."""
    (folder / "sensor.toml").write_text(SENSOR, encoding="utf-8")
    tables = ['[site]\nname = "works"\n']
    for number, url in enumerate(urls, 1):
        tables.append(f'[[line]]\nname = "line-{number}"\nurl = "{url}"\ntimeout = "200ms"\n')
        tables.append(
            f'[[device]]\nname = "sensor-{number}"\narea = "hall"\nline = "line-{number}"\nunit = 1\n'
            'profile = "sensor.toml"\n'
        )
    path = folder / "site.toml"
    path.write_text("\n".join(tables), encoding="utf-8")
    return path


async def read(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["read", *arguments])


async def test_a_poll_shows_every_point_with_its_registers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with rig("tcp") as device:
        code = await read(str(written(tmp_path, device.url)))

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    # The rig gives each register its unit and address: 0x1010 = 4112.
    row = next(line for line in out.splitlines() if line.startswith("temperature"))
    assert row.split() == ["temperature", "1010", "4,112", "°C", "good"]
    assert out.startswith("sensor-1: sensor.toml, tcp://127.0.0.1:")
    assert re.search(
        r"^took \d+\.\d ms: 0x0010\+1 \d+\.\d ms, 0x0100\+1 \d+\.\d ms; connecting and pauses \d+\.\d ms$",
        out,
        re.MULTILINE,
    )


async def test_bits_show_themselves_helpers_stay_out_and_ratios_have_no_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig("tcp") as device:
        path = written(tmp_path, device.url)
        (tmp_path / "sensor.toml").write_text(SENSOR + MORE, encoding="utf-8")
        codes = await read(str(path)), await read(str(path), "--json")

    out, _, answer = capsys.readouterr().out.partition("[\n")
    rows = {line.split()[0]: line.split() for line in out.splitlines()}
    # Register 0x0013 of unit 1 holds 0x1013.
    assert codes == (0, 0)
    assert rows["running"] == ["running", "1013", "bit", "1", "1", "good"]
    assert rows["fault"] == ["fault", "1013", "bit", "2", "0", "good"]
    assert rows["power_factor"] == ["power_factor", "1014", "4.116", "good"]
    assert rows["current"][:2] == ["current", "1015"]
    assert "_ratio" not in rows
    points = {point["quantity"]: point for point in orjson.loads(f"[{answer}")[0]["points"]}
    assert points["_ratio"]["value"] == 0x1016
    assert points["running"]["bit"] == 1


async def test_a_poll_as_json_tells_the_requests_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with rig("tcp") as device:
        code = await read(str(written(tmp_path, device.url)), "--json")

    (answer,) = orjson.loads(capsys.readouterr().out)
    assert code == 0
    assert [(request["address"], request["error"]) for request in answer["requests"]] == [(0x10, None), (0x100, None)]
    assert {point["quantity"]: point["value"] for point in answer["points"]} == {"temperature": 4112, "humidity": 4352}


async def test_a_device_that_does_not_answer_is_one_line_and_one_time_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(_: Request) -> Iterable[Chunk]:
        return []

    async with rig("tcp", silent) as device:
        code = await read(str(written(tmp_path, device.url)))
        asked = len(device.requests)

    out, err = capsys.readouterr()
    assert (code, asked) == (3, 1)
    assert err.count("\n") == 1
    assert "sensor-1 (line line-1, unit 1)" in err
    assert "no reply within 0.2 s" in err
    assert out == ""


async def test_a_block_that_is_refused_is_told_and_the_rest_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def partly(request: Request) -> Iterable[Chunk]:
        return [(0, request.refusal(2))] if request.address == 0x100 else honest(request)

    async with rig("tcp", partly) as device:
        code = await read(str(written(tmp_path, device.url)))

    out, err = capsys.readouterr()
    assert code == 0
    assert "address 0x0100 count 1: Modbus exception 2 (illegal data address)" in err
    assert "4,112" in out
    assert "bad:no_such_address" in out


async def test_a_line_that_cannot_be_reached_is_one_line_and_hides_no_other_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig("tcp") as device:
        path = written(tmp_path, f"tcp://127.0.0.1:{free_port()}", device.url)
        code = await read(str(path))
        alone = await read(str(path), "sensor-2")

    out, err = capsys.readouterr()
    assert (code, alone) == (3, 0)
    assert err.count("\n") == 1
    assert err.startswith("sensor-1 (line line-1, unit 1)")
    assert "refused" in err.lower()
    assert out.count("4,112") == 2


async def test_a_serial_port_that_is_missing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = await read(str(written(tmp_path, f"rtu://{tmp_path}/ttyUSB0")))

    out, err = capsys.readouterr()
    assert (code, out) == (3, "")
    assert err.count("\n") == 1
    assert "ttyUSB0" in err
    assert "Traceback" not in err


async def test_an_unknown_device_is_shown_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = await read(str(written(tmp_path, "tcp://127.0.0.1:1")), "sensr-1")

    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1


async def test_a_unit_is_read_by_its_url_and_a_profile_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sensor.toml").write_text(SENSOR, encoding="utf-8")
    async with rig("tcp") as device:
        code = await read(device.url, "--unit", "2", "--profile", str(tmp_path / "sensor.toml"))

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("unit-2: ")
    assert re.search(r"^temperature +2010 +8,208", out, re.MULTILINE)


async def test_raw_shows_the_bytes_on_the_wire_and_how_long_they_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig("rtu") as device:
        code = await read(str(written(tmp_path, device.url)), "--raw")

    out = capsys.readouterr().out
    assert code == 0
    assert re.search(r"0x0010\+1: sent     01 03 00 10 00 01 85 cf$", out, re.MULTILINE)
    assert re.search(
        r"0x0010\+1: received 01 03 02 10 10 [0-9a-f]{2} [0-9a-f]{2} after \d+\.\d\d ms$", out, re.MULTILINE
    )


@pytest.mark.parametrize(("code", "advice"), [(11, "check the unit number there, the wiring"), (2, "counts from 1")])
async def test_a_refusal_comes_with_advice_once(
    code: int, advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig("tcp", lambda request: [(0, request.refusal(code))]) as device:
        await read(str(written(tmp_path, device.url)))

    err = capsys.readouterr().err
    assert err.count("\n") == 2
    assert err.count(advice) == 1


async def test_silence_on_a_serial_line_is_told_with_its_likely_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig("rtu", lambda _: []) as device:
        code = await read(str(written(tmp_path, device.url)))

    err = capsys.readouterr().err
    assert code == 3
    assert err.count("\n") == 1
    assert "A and B are crossed" in err


async def test_a_port_that_an_agent_reads_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig("rtu") as device:
        monkeypatch.setattr("agent.commands.bench.agent_on", lambda _: 4711)
        code = await read(str(written(tmp_path, device.url)))
        asked = len(device.requests)

    assert (code, asked) == (3, 0)
    assert "systemctl stop energy-agent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["tcp://127.0.0.1"], "--unit is missing"),
        (["tcp://127.0.0.1", "--unit", "1"], "--profile is missing"),
        (["tcp://127.0.0.1", "--unit", "1", "--profile", "eastron/sdm63"], "did you mean 'eastron/sdm630'"),
        (["tcp://127.0.0.1", "--unit", "1", "--profile", "no.toml"], "no.toml: cannot be read"),
        (["tcp://127.0.0.1", "boiler-1", "--unit", "1"], "a URL has no devices"),
        (["rtu:///dev/ttyUSB0", "--unit", "248", "--profile", "eastron/sdm630"], "give one from 1 to 247"),
        (["site.toml", "--unit", "1"], "says both of its devices"),
    ],
)
async def test_a_mistake_is_one_line_with_its_remedy(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await read(*arguments) == 2

    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1


def answer(value: float, *, error: str | None = None) -> Answer:
    """Return what a poll of one point gave."""
    return {
        "device": "sensor-1", "line": "line-1", "url": "tcp://h", "unit": 1, "profile": "p", "took_ms": 1.0,
        "requests": [{"function": 3, "address": 0, "count": 1, "error": error}],
        "points": [] if error else [
            {"quantity": name, "registers": "1010", "bit": None, "value": number, "unit": "°C", "quality": "good"}
            for name, number in (("temperature", value), ("motor_temperature", 20.0))
        ],
    }  # fmt: skip


def test_a_watched_terminal_marks_what_changed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_terminal(monkeypatch)
    show = watch.view(as_json=False)

    show([answer(20.0)])
    assert "\x1b[1;7m" not in shown.getvalue()
    shown.seek(0)
    shown.truncate()
    show([answer(21.5)])

    marked = [line for line in shown.lines if line.startswith("\x1b[1;7m")]
    assert [line.removeprefix("\x1b[1;7m").split()[0] for line in marked] == ["temperature"]


def test_what_is_watched_through_a_pipe_tells_changes_only(capsys: pytest.CaptureFixture[str]) -> None:
    show = watch.view(as_json=False)

    for value, error in ((20.0, None), (20.0, None), (21.5, None), (0.0, "silent"), (0.0, "silent")):
        show([answer(value, error=error)])

    out, err = capsys.readouterr()
    assert [line.split()[2:4] for line in out.splitlines()] == [
        ["temperature", "20"], ["motor_temperature", "20"], ["temperature", "21.5"]
    ]  # fmt: skip
    assert err.count("silent") == 1


def test_what_is_watched_as_json_is_one_line_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    show = watch.view(as_json=True)

    show([answer(20.0)])
    show([answer(21.0)])

    rounds = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [found["devices"][0]["points"][0]["value"] for found in rounds] == [20.0, 21.0]


async def test_watching_goes_on_until_interrupted_and_ends_well(tmp_path: Path) -> None:
    async with rig("tcp") as device:
        process = await asyncio.create_subprocess_exec(
            "env", "--default-signal=INT",  # the tests may run in the background, where it is ignored
            sys.executable, "-m", "agent", "read", str(written(tmp_path, device.url)), "--watch",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(30):
            await device.asked(4)
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")
    assert b"sensor-1 temperature 4,112" in out
