"""`decode` with registers that are typed, and with a device that answers as the test says."""

import asyncio
import os
import struct
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest

from agent.cli import main
from drivers.profile_file import load_profile
from tests.agent.commands.terminal import on_terminal
from tests.modbus_rig import Chunk, Request, Script, rig
from tests.servers import free_port

# What an unknown meter holds from 0x1010 on: floats with the low word first, and a counter.
FLOATS = (230.1, 231.2, 229.8, 12.78, 4.9, 5.53, 8123.4, 0.93, 50.02)


def meter(start: int = 0x1010, function: int = 3) -> Script:
    words: dict[int, int] = {}
    for number, value in enumerate(FLOATS):
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        words |= {start + 2 * number: low, start + 2 * number + 1: high}
    words |= {start + 0x20: 0xD687, start + 0x21: 0x0012}  # 1,234,567

    def answer(request: Request) -> Iterable[Chunk]:
        wanted = range(request.address, request.address + request.count)
        if request.unit != 7:
            return []
        if request.function != function:
            return [(0, request.refusal(1))]
        if any(at not in words for at in wanted):
            return [(0, request.refusal(2))]
        return [(0, request.reply([words[at] for at in wanted]))]

    return answer


async def decode(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["decode", *arguments])


def test_typed_registers_are_ranked_with_keys_to_paste(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "43", "66", "00", "00"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 registers of function 3: 0x0000+2"
    assert lines[2].split("  ")[0] == "0x0000"
    assert 'type = "float32", word_order = "big"  # everyday size, mains voltage: 230 V' in lines[2]
    assert "likely" in lines[2]


def test_typed_registers_and_a_display_settle_the_scale(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "08fd", "--expect", "230.1"]) == 0

    out = capsys.readouterr().out
    assert "certain" in out
    assert 'type = "uint16", scale = 0.1' in out


def test_a_display_that_fits_twice_is_unsure_and_the_exit_code_says_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "08fd", "59e2", "--expect", "230.1"]) == 1

    out = capsys.readouterr().out
    assert "unsure" in out
    assert "also fits 0x0001" in out


def test_a_display_that_fits_nowhere_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "08fd", "--expect", "77.7"]) == 1

    assert "no register gives it" in capsys.readouterr().out


def test_the_ranking_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "4366", "0000", "--json"]) == 0

    first = orjson.loads(capsys.readouterr().out)["candidates"][0]
    assert (first["value"], first["keys"]) == (230.0, {"type": "float32", "word_order": "big"})


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["43zz"], 2, "'z' is no hex digit"),
        (["tcp:/10.0.0.1"], 2, "is no hex digit"),
        (["tcq://10.0.0.1", "--unit", "1"], 2, "unknown scheme 'tcq'"),
        (["/dev/ttyUSB0", "--unit", "1"], 2, "write rtu:///dev/ttyUSB0"),
        (["tcp://10.0.0.1"], 2, "--unit is missing"),
        (["tcp://10.0.0.1", "--unit", "0"], 2, "unit 0 cannot be asked"),
        (["rtu:///dev/ttyUSB0", "--unit", "248"], 2, "give one from 1 to 247"),
        (["tcp://10.0.0.1", "4366", "--unit", "1"], 2, "do not go together"),
        (["4366", "--unit", "1"], 2, "are for a device"),
        (["4366", "0000", "--address", "65535"], 2, "pass 65535"),
        (["tcp://10.0.0.1", "--unit", "1", "--address", "65530"], 2, "pass 65535"),
        (["4366", "0000", "--as", "volts=230"], 2, "no quantity 'volts'"),
        (["4366", "0000", "--as", "voltage_l1"], 2, "no value"),
        (["4366", "0000", "--as", "voltage_l1=0"], 2, "a zero is everywhere"),
        (["4366", "0000", "--as", "voltage_l1=1", "--as", "voltage_l1=2"], 2, "stands twice"),
        (["4366", "0000", "--expect", "much"], 2, "is no number"),
        (["4366", "0000", "--profile", "x.toml"], 2, "no point to write"),
        (["4366", "0000", "--expect", "230.0", "--profile", "x.toml"], 2, "add --as NAME"),
        (["4366", "0000", "--as", "voltage_l1=230.0", "--profile", "x"], 2, "write x.toml"),
        (["4366", "0000", "--as", "voltage_l1=230.0", "--profile", "/no/such/x.toml"], 2, "cannot be written"),
        (["rtu:///no/such/port", "--unit", "1", "--address", "0"], 3, "no such device"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    assert main(["decode", *arguments]) == code

    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1


def test_a_profile_that_is_no_text_or_no_file_is_one_line_without_words_of_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "dir.toml").mkdir()
    (tmp_path / "zero.toml").symlink_to("/dev/null")
    for name in ("bin", "dir", "zero"):
        path = str(tmp_path / f"{name}.toml")
        assert main(["decode", "4366", "0000", "--as", "voltage_l1=230.0", "--profile", path]) == 2

    assert capsys.readouterr().err.replace(str(tmp_path), "DIR").splitlines() == [
        "DIR/bin.toml: is not UTF-8 text: save it as UTF-8",
        "DIR/dir.toml: cannot be read (Is a directory): check path and rights",
        "DIR/zero.toml: is no regular file: name a TOML file",
    ]


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--address", "0x10000"], ["--function", "6"]])
def test_numbers_out_of_their_limits_are_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["decode", "tcp://127.0.0.1", "--unit", "1", *arguments])

    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.integration
async def test_a_host_that_is_down_is_one_line_and_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert await decode(f"tcp://127.0.0.1:{free_port()}", "--unit", "1", "--address", "0") == 3

    err = capsys.readouterr().err
    assert "connection refused" in err
    assert err.count("\n") == 1


@pytest.mark.integration
async def test_an_unknown_meters_registers_are_found_and_their_word_order_recognised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = on_terminal(monkeypatch)
    async with rig("tcp", meter()) as device:
        code = await decode(device.url, "--unit", "7")

    out = shown.getvalue()
    assert code == 0
    assert "0x1010+18, 0x1030+2" in out
    assert 'Most plausible: word_order = "little", byte_order = "big"' in out
    assert "mains frequency: 50.02 Hz" in out
    assert all(len(line) <= 80 for line in shown.lines)


@pytest.mark.integration
async def test_the_next_command_that_is_shown_names_all_three_phases(capsys: pytest.CaptureFixture[str]) -> None:
    async with rig("tcp", meter()) as device:
        assert await decode(device.url, "--unit", "7", "--function", "3", "--address", "0x1010", "--count", "18") == 0

    shown = "--as voltage_l1=230.1 --as voltage_l2=231.2 --as voltage_l3=229.8 --profile my-meter.toml"
    assert capsys.readouterr().out.endswith(f" --unit 7 --function 3 … {shown}\n")


@pytest.mark.integration
async def test_time_left_is_told_of_the_last_function_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.commands.progress._EVERY_S", 0.0)
    monkeypatch.setattr("agent.commands.progress._LEAST_S", 0.0)
    async with rig("tcp", lambda request: meter(function=request.function)(request)) as device:
        assert await decode(device.url, "--unit", "7") == 0
    both = capsys.readouterr().err.splitlines()
    async with rig("tcp", meter()) as device:
        assert await decode(device.url, "--unit", "7", "--function", "3") == 0
    alone = capsys.readouterr().err.splitlines()

    first, second = ([line for line in both if line.startswith(f"function {name}: looking for")]
                     for name in ("4, 1 of 2", "3, 2 of 2"))  # fmt: skip
    assert len(first) > 100
    assert [*first, *second] == both
    assert not any("left" in line for line in first), "the second takes its time as well"
    assert all("left" in line for line in second[1:])
    assert all(line.startswith("function 3: looking for") for line in alone)
    assert all("left" in line for line in alone[1:])


@pytest.mark.integration
async def test_displays_and_one_command_write_the_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new-meter.toml"
    shown = {
        "voltage_l1": "230.1",
        "voltage_l2": "231.2",
        "voltage_l3": "229.8",
        "active_power": "8.123kW",
        "power_factor": "0.93",
        "active_energy_import": "12345.67",
    }
    points = [part for name, value in shown.items() for part in ("--as", f"{name}={value}")]
    async with rig("rtu", meter()) as device:
        code = await decode(device.url, "--unit", "7", "--function", "3", "--address", "0x1010", "--count", "40",
                            *points, "--profile", str(path))  # fmt: skip

    assert code == 0, capsys.readouterr()
    profile = load_profile(str(path))
    places = {point.name: (point.address, point.type, point.word_order) for point in profile.points}
    assert places == {
        "voltage_l1": (0x1010, "float32", "little"),
        "voltage_l2": (0x1012, "float32", "little"),
        "voltage_l3": (0x1014, "float32", "little"),
        "active_power": (0x101C, "float32", "little"),
        "power_factor": (0x101E, "float32", "little"),
        "active_energy_import": (0x1030, "uint32", "little"),
    }
    energy = profile.point("active_energy_import")
    assert 1234567 * energy.numerator / energy.denominator == 12345.67
    assert [account.name for account in profile.accounts] == ["electricity"]
    assert "--watch" in capsys.readouterr().out


@pytest.mark.integration
async def test_a_value_that_is_not_certain_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new-meter.toml"
    async with rig("tcp", meter()) as device:
        code = await decode(device.url, "--unit", "7", "--function", "3", "--address", "0x1010", "--count", "18",
                            "--as", "voltage_l1=232.9", "--profile", str(path))  # fmt: skip

    assert code == 1
    assert not path.exists()
    assert "wrote nothing" in capsys.readouterr().out


@pytest.mark.integration
async def test_a_refused_address_gets_advice_and_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    async with rig("tcp", meter()) as device:
        code = await decode(device.url, "--unit", "7", "--function", "3", "--address", "0", "--count", "4")

    err = capsys.readouterr().err
    assert code == 1
    assert "check whether the manual counts from 1" in err
    assert err.count("\n") == 1


@pytest.mark.integration
async def test_a_port_that_an_agent_reads_is_left_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig("rtu", meter()) as device:
        monkeypatch.setattr("agent.commands.bench.agent_on", lambda _: 4711)
        code = await decode(device.url, "--unit", "7", "--address", "0")
        asked = len(device.requests)

    err = capsys.readouterr().err
    assert (code, asked) == (3, 0)
    assert "energy-agent (process 4711) reads this line" in err
    assert "systemctl stop energy-agent" in err


@pytest.mark.integration
async def test_a_port_that_is_locked_says_who_might_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl  # noqa: PLC0415 -- Linux only, like the lock

    async with rig("rtu", meter()) as device:
        port = os.open(device.url.removeprefix("rtu://").partition("?")[0], os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
            code = await decode(device.url, "--unit", "7", "--address", "0")
        finally:
            os.close(port)

    err = capsys.readouterr().err
    assert code == 3
    assert "in use by another program" in err
    assert "if it is the agent, stop it" in err
