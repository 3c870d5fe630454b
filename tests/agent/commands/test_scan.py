"""`scan` on lines whose units answer as the test says."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest

from agent.cli import main
from agent.commands import scan as command
from agent.config.load import load_config
from drivers.codec import encode
from drivers.endpoint import Endpoint
from drivers.errors import LineDown
from drivers.profile_file import load_profile
from tests.agent.commands.terminal import on_terminal
from tests.modbus_rig import Chunk, Request, Script, rig
from tests.servers import free_port

SDM630 = {"voltage_l1": 230.1, "voltage_l2": 231.0, "voltage_l3": 229.7, "frequency": 50.01, "active_power": 12.5}


def image() -> dict[tuple[int, int], int]:
    """Return registers of an SDM630 by function and address."""
    profile = load_profile("eastron/sdm630")
    usual = {
        point.name: 230.7 if point.quantity and point.quantity.unit.symbol == "V" else 0.5 for point in profile.points
    }
    held = encode(profile, usual | SDM630)[4]
    inputs = {(4, address): held.get(address, 0) for address in range(0x0200)}
    return inputs | {(3, 0xFC00): 7, (3, 0xFC01): 9}


def units(*there: int, gateway: bool = False) -> Script:
    """Let unit 1 be an SDM630 and any other one that is there hold two registers that mean nothing."""
    meter = image()

    def answer(request: Request) -> Iterable[Chunk]:
        if request.unit not in there:
            return [(0, request.refusal(11))] if gateway else []
        wanted = [(request.function, request.address + at) for at in range(request.count)]
        held = meter if request.unit == 1 else {(3, 0): 77, (3, 1): 78}
        if request.function not in (3, 4):
            return [(0, request.refusal(1))]
        if any(place not in held for place in wanted):
            return [(0, request.refusal(2))]
        return [(0, request.reply([held[place] for place in wanted]))]

    return answer


async def scan(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["scan", *arguments])


@pytest.mark.integration
@pytest.mark.parametrize("transport", ["tcp", "rtu"])
async def test_units_are_found_with_the_profile_that_fits_and_tables_to_paste(
    transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig(transport, units(1, 3, gateway=transport == "tcp")) as device:
        code = await scan(device.url, "--units", "1-3")

    out = capsys.readouterr().out
    assert code == 0
    assert "2 units answer, of 1-3" in out
    assert "eastron/sdm630: identity registers there" in out
    assert "voltage_l1 230.1 V" in out
    assert "Unit 3 fits no profile. To see its registers: energy-agent decode" in out
    pasted = out[out.index("[[line]]") : out.index("Unit 3 fits")].replace('"…"', '"eastron/sdm230"')
    path = tmp_path / "site.toml"
    path.write_text('[site]\nname = "works"\n' + pasted, encoding="utf-8")
    assert [(found.name, found.unit) for found in load_config(path).devices] == [("sdm630-1", 1), ("device-3", 3)]


@pytest.mark.integration
async def test_the_answer_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_terminal(monkeypatch)
    async with rig("tcp", units(1, 3, gateway=True)) as device:
        await scan(device.url, "--units", "1-3")

    assert all(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) <= 80 for line in shown.lines)


@pytest.mark.integration
async def test_the_answer_as_json_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    async with rig("tcp", units(1, gateway=True)) as device:
        code = await scan(device.url, "--units", "1,2", "--json")

    answer = orjson.loads(capsys.readouterr().out)
    (unit,) = answer["units"]
    assert (code, answer["complete"], unit["unit"]) == (0, True, 1)
    assert unit["guesses"][0]["profile"] == "eastron/sdm630"
    assert unit["guesses"][0]["fits"]


@pytest.mark.integration
async def test_a_reply_that_is_lost_once_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    there = units(3)
    asked: set[int] = set()

    def deaf_at_first(request: Request) -> Iterable[Chunk]:
        known = request.unit in asked
        asked.add(request.unit)
        return there(request) if known else []

    async with rig("rtu", deaf_at_first) as device:
        code = await scan(device.url, "--units", "3")

    assert code == 0
    assert "1 unit answers" in capsys.readouterr().out


@pytest.mark.integration
async def test_nobody_is_code_1_with_the_likely_cause_and_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    async with rig("rtu", units()) as device:
        code = await scan(device.url, "--units", "1")

    out = capsys.readouterr().out
    assert code == 1
    assert "nobody answers, of 1" in out
    assert "Not one byte comes" in out
    assert "--settings all" in out
    assert "'rtu://" in out, "the URL holds characters that a shell would take for its own"


@pytest.mark.integration
async def test_a_device_that_answers_to_every_number_counts_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    def heedless(request: Request) -> Iterable[Chunk]:
        if request.function != 3:
            return [(0, request.refusal(1))]
        return [(0, request.reply([5] * request.count))]

    async with rig("tcp", heedless) as device:
        await scan(device.url, "--units", "1-9")

    out = capsys.readouterr().out
    assert "one device that heeds no unit number" in out
    assert out.count("[[device]]") == 1


@pytest.mark.integration
async def test_ctrl_c_shows_what_was_found_so_far(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = asyncio.Event()

    async def at_last(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(command._Scan, "_look_closer", at_last)
    async with rig("tcp", units(1, gateway=True)) as device:
        code = await scan(device.url, "--units", "1-2")

    out, err = capsys.readouterr()
    assert stopped.is_set()
    assert code == 0
    assert "stopped: this was found so far" in err
    assert "1 unit answers" in out


@pytest.mark.integration
async def test_other_settings_are_tried_until_somebody_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Endpoint] = []
    swept = command._Scan._swept

    async def only_at_38400(self: command._Scan, endpoint: Endpoint, *rest: object) -> None:
        tried.append(endpoint)
        if endpoint.parity != "N":
            raise LineDown("does not take these settings")
        if endpoint.baud == 38400:  # a pseudo-terminal has no baud rate of its own
            await swept(self, endpoint, *rest)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(command._Scan, "_swept", only_at_38400)
    async with rig("rtu", units(3)) as device:
        code = await scan(device.url.partition("?")[0], "--units", "3", "--settings", "all", "--timeout", "0.2")

    out = capsys.readouterr().out
    assert code == 0
    assert "baud=38400&parity=N" in out
    assert [(found.baud, found.parity) for found in tried[:4]] == [(9600, "N"), (9600, "E"), (9600, "O"), (19200, "N")]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["foo"], 2, "a line is named by a URL"),
        (["/dev/ttyUSB0"], 2, "write rtu:///dev/ttyUSB0"),
        (["rtu:///dev/ttyUSB0?baud=9601"], 2, "baud '9601' is not possible"),
        (["rtu:///dev/ttyUSB0", "--units", "248"], 2, "give one from 1 to 247"),
        (["tcp://127.0.0.1", "--settings", "all"], 2, "is for a serial port"),
        (["rtu:///no/such/port", "--units", "1"], 3, "no such device"),
        (["rtu:///dev/null", "--units", "1"], 3, "is not a serial port"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    assert main(["scan", *arguments]) == code

    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("typed", ["0", "9-3", "1-", "a", "1,,2", "256", ""])
def test_units_that_are_none_are_usage(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scan", "tcp://127.0.0.1", "--units", typed])

    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.integration
async def test_a_host_that_is_down_is_one_line_and_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert await scan(f"tcp://127.0.0.1:{free_port()}", "--units", "1") == 3

    err = capsys.readouterr().err
    assert "connection refused" in err
    assert err.count("\n") == 1
