import asyncio
import errno
import http.client
import http.server
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest

from agent.cli import main
from agent.commands.status import show
from agent.config import SiteConfig
from agent.service import Agent
from tests.agent.api_desk import serving
from tests.agent.commands.terminal import on_terminal
from tests.agent.frames import DEVICES, SITE, configured
from tests.servers import free_port

pytestmark = pytest.mark.integration

ALARM = {
    "key": "boiler-house/fan-1",
    "name": "comm_lost",
    "severity": "warning",
    "since": "2025-11-20T08:00:00.000000Z",
    "text": "fan-1 does not answer",
    "text_zh": "fan-1 通信中断",
}


@pytest.fixture
def config(tmp_path: Path) -> SiteConfig:
    (tmp_path / "token").write_text("let-me-in\n", encoding="utf-8")
    http_table = f'\n[http]\nlisten = "127.0.0.1:{free_port()}"\ntoken_file = "token"\n'
    return configured(tmp_path, SITE + DEVICES + http_table)


@asynccontextmanager
async def answering(config: SiteConfig, **changes: Any) -> AsyncIterator[None]:
    """Answer as the running agent of a configuration would, in a state of the test's."""
    state = {**Agent(config).snapshot(), **changes}
    assert config.http is not None
    async with serving(state, config.path.parent, section=config.http):
        yield


@contextmanager
def another_program(config: SiteConfig, answer: bytes, *, length: int | None = None) -> Iterator[None]:
    """Answer at the agent's port as some other program, which may have announced another `length`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer) if length is None else length))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    assert config.http is not None
    with http.server.HTTPServer(("127.0.0.1", config.http.port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


async def status(config: SiteConfig, *arguments: str) -> int:
    return await asyncio.to_thread(main, ["status", str(config.path), *arguments])


async def test_a_running_agent_shows_every_part_of_itself(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(config, clock_synchronised=False):
        code = await status(config)

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    for word in ("works: energy-agent", "clock NOT synchronised", "times of Asia/Shanghai", "no alarms", "\nLines\n",
                 "tcp://127.0.0.1:1502", "fan-1", "unknown", "boiler-1/natural_gas", "\nStore\n"):  # fmt: skip
        assert word in out


async def test_an_active_alarm_is_shown_first_and_makes_the_answer_no(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(config, alarms=[ALARM]):
        codes = await status(config), await status(config, "--json")

    out = capsys.readouterr().out
    assert codes == (1, 1)
    (line,) = (line for line in out.splitlines()[:2] if line.startswith("alarm"))
    assert line == "alarm boiler-house/fan-1 comm_lost since 2025-11-20 16:00:00: fan-1 does not answer"


async def test_times_in_the_text_of_an_alarm_are_those_of_the_site(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(config, alarms=[ALARM | {"text": "behind records up to 2025-11-20T08:00:00.000000Z"}]):
        await status(config)

    assert "behind records up to 2025-11-20 16:00:00+08:00" in capsys.readouterr().out


def said(config: SiteConfig, capsys: pytest.CaptureFixture[str], **changes: Any) -> list[str]:
    """Return what is printed of a state at noon of 20 November 2026, in Shanghai."""
    now = datetime(2026, 11, 20, 12, tzinfo=config.site.zone)
    show({**Agent(config).snapshot(), **changes}, config, now)
    return capsys.readouterr().out.splitlines()


def test_an_account_shows_what_it_booked_and_its_last_closed_interval(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    interval = {"start": "2026-11-20T03:30:00.000000Z", "energy_kwh": 4460.8, "co2_kg": 891.9, "coverage": 0.998}
    lines = said(
        config,
        capsys,
        accounts=[
            {"account": "boiler-1/natural_gas", "amount": 412.5, "unit": "Nm3", "interval": interval,
             "time": "2026-11-20T03:59:59.500000Z"},
            {"account": "steam", "amount": 6.25, "unit": "t"},
        ],
    )  # fmt: skip

    row = lines.index("Accounts: booked since the start, and the last closed interval")
    assert lines[row + 1 : row + 4] == [
        "account                    booked  read      interval       kWh   kg CO2  cover %",
        "boiler-1/natural_gas  412.500 Nm3  11:59:59  11:30:00  4,460.80  891.900     99.8",
        "steam                     6.250 t",
    ]


def test_one_file_one_exchange_and_one_poll_are_said_as_one(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = {"mode": "full", "files": 1, "bytes": 1 << 20, "exchanges": 1, "dropped": 0, "trouble": ""}
    clock = {"known": False, "frames_waiting": 1, "frames_given_up": 1}
    lines = said(config, capsys, capture=capture, clock=clock)

    assert "the time is not known yet, nothing is recorded: 1 poll waits, 1 was not kept" in lines
    assert "  1 file, 1.0 MiB, 0 % of 4GiB" in lines
    assert "  captured since the start: 1 exchange; not captured: 0" in lines


def test_an_unverified_factor_marks_the_last_interval_too(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    interval = {"start": "2026-11-20T03:30:00.000000Z", "energy_kwh": 250.0, "co2_kg": 99.0, "coverage": 1.0}
    accounts = [
        {"account": name, "amount": 0.9, "unit": unit, "interval": {**interval, **mark}}
        for name, unit, mark in (
            ("boiler-1/steam", "GJ", {"unverified": True}),
            ("fan-1/electricity", "kWh", {"unverified": True}),
            ("boiler-1/heat", "GJ", {}),
        )
    ]
    lines = said(config, capsys, accounts=accounts)

    row = lines.index("Accounts: booked since the start, and the last closed interval")
    assert [line.split()[-3:] for line in lines[row + 2 : row + 5]] == [
        ["250.000?", "99.000?", "100.0"],
        ["250.000", "99.000?", "100.0"],
        ["250.000", "99.000", "100.0"],
    ]
    assert lines[row + 5] == "  ? rests on a factor that was not checked against its source"


def test_a_balance_shows_the_rest_of_its_last_interval_and_who_told_nothing(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"start": "2026-11-20T03:30:00.000000Z", "amount": 126.0, "co2_kg": 58.977, "coverage": 0.998}
    rest = {"rest_amount": 15.0, "rest_percent": 11.904762, "disagreement_amount": 0.0}
    lines = said(
        config,
        capsys,
        worked_out=[
            {"account": "site/electricity", "unit": "kWh", "interval": {**known, **rest}},
            {"account": "hall/electricity", "unit": "kWh", "interval": {**known, "missing": ["press/electricity"]}},
        ],
    )

    row = lines.index("Virtual accounts and balances: the last closed interval")
    assert lines[row + 1 : row + 5] == [
        "account           interval       amount  kg CO2    rest  rest %  disagree  cover %",
        "site/electricity  11:30:00  126.000 kWh  58.977  15.000    11.9     0.000     99.8",
        "hall/electricity  11:30:00  126.000 kWh  58.977                               99.8",
        "  hall/electricity: no word of press/electricity",
    ]


def test_the_lines_fit_a_terminal_whatever_their_urls(config: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    state = Agent(config).snapshot()
    url = "tls://gateway.boiler-house.works.example:802?ca=/etc/ca.pem"
    show({**state, "lines": [state["lines"][0] | {"url": url}]}, config, datetime.now(config.site.zone))

    assert f"  hall: {url}" in terminal.lines
    assert max(map(len, terminal.lines)) <= 80


def test_reasons_stand_below_the_tables(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    state = Agent(config).snapshot()
    line = state["lines"][0] | {"up": False, "reason": "cannot connect: refused"}
    device = state["devices"][0] | {"state": "offline", "since": "2026-11-18T16:00:00Z", "reason": "cannot connect"}
    lines = said(config, capsys, lines=[line], devices=[device])

    assert "  hall: cannot connect: refused" in lines
    assert lines[lines.index("  fan-1: cannot connect") - 1].split()[:4] == ["fan-1", "offline", "11-19", "00:00:00"]
    assert ["hall", "down"] in [line.split()[:2] for line in lines]


SINK = {"sink": "mqtt", "connected": True, "connected_s": 19.2, "acknowledged": 5, "pending": 3,
        "pending_bytes": 1 << 19, "errors": 1, "rejected": 0, "last_error": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({}, "connected for 19 s"),
        ({"connected_s": 200.0, "last_error": "it was away"}, "connected for 3 min 20 s; last error: it was away"),
        ({"connected_s": 12000.0}, "connected for 3 h 20 min"),
        ({"connected_s": 266400.0}, "connected for 3 d 2 h"),
        ({"connected": False, "last_error": "it is away"}, "not connected: it is away"),
        ({"connected": False}, "connecting"),
    ],
)
def test_a_sink_shows_its_link(
    config: SiteConfig, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], link: str
) -> None:
    lines = said(config, capsys, sinks=[SINK | changes])

    row = lines[lines.index("Sinks") + 2]
    assert row.split()[:6] == ["mqtt", "5", "3", "0.5", "1", "0"]
    assert row.endswith(f"  {link}")


def test_the_store_shows_its_room_and_what_waits_and_what_is_lost(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    oldest_ns = int(datetime(2026, 11, 20, 3, 58, tzinfo=UTC).timestamp()) * 10**9
    store = {
        "bytes": config.store.max_size // 4,
        "records": {"interval": 9, "telemetry": 1200},
        "dropped": {"telemetry": 34},
        "dropped_for": {"store full": 30, "damaged in the file": 4},
        "sinks": {
            "mqtt": {"oldest_seq": 77, "oldest_ns": oldest_ns, "dead_letters": 2},
            "influx": {"oldest_ns": None, "dead_letters": 0},
        },
        "degraded": "no room on the disk",
        "set_aside": "store.db.damaged",
    }
    lines = said(config, capsys, store=store)

    assert lines[lines.index("Store") + 1 :] == [
        f"  size: {config.store.max_size / 2**22:,.1f} MiB, 25 % of 1GiB",
        "  records: 9 interval, 1,200 telemetry",
        "  oldest waiting for mqtt: record 77 of 11:58:00, 2 min 0 s old; refused and set aside: 2",
        "  oldest waiting for influx: none",
        "  dropped undelivered: 34 telemetry",
        "    store full: 30",
        "    damaged in the file: 4",
        "  cannot be written: no room on the disk",
        "  a damaged file was set aside: store.db.damaged",
    ]


def test_help_tells_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["status", "--help"])
    assert "exit code is 1 while an alarm is active" in " ".join(capsys.readouterr().out.split())


async def test_json_is_the_whole_state(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    async with answering(config):
        code = await status(config, "--json")

    assert code == 0
    assert orjson.loads(capsys.readouterr().out)["configuration"] == config.digest


async def test_a_wrong_token_is_one_line(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    async with answering(config):
        (config.path.parent / "token").write_text("let-me-out", encoding="utf-8")
        code = await status(config)

    err = capsys.readouterr().err
    assert code == 3
    assert "answers 401: a bearer token is needed" in err
    assert err.count("\n") == 1


async def test_a_token_that_is_missing_is_one_line(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    (config.path.parent / "token").unlink()

    assert await status(config) == 2
    assert "token: No such file or directory: check path and rights" in capsys.readouterr().err


async def test_an_agent_that_does_not_run_is_one_line(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert await status(config) == 3

    assert config.http is not None
    assert capsys.readouterr().err == (
        f"no agent answers at {config.http.listen}: nothing listens there: start it with 'systemctl start "
        "energy-agent', or see with 'journalctl -u energy-agent' why it ended\n"
    )


async def test_an_agent_that_hangs_is_told_from_one_that_does_not_run(
    config: SiteConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.commands.status._TIMEOUT_S", 0.2)
    assert config.http is not None
    with socket.create_server(("127.0.0.1", config.http.port)):
        assert await status(config) == 3

    assert capsys.readouterr().err == (
        f"no agent answers at {config.http.listen}: not a word came within 0.2 s: "
        "see with 'journalctl -u energy-agent' what holds it up\n"
    )


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), "No route to host: check [http] listen"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known: check [http] listen"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "it ended the connection: ask again in a moment"),
        (http.client.RemoteDisconnected("closed"), "it ended the connection: ask again in a moment"),
    ],
)
async def test_what_keeps_the_agent_from_being_reached_is_said_without_the_numbers_of_the_system(
    config: SiteConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    said: str,
) -> None:
    def fails(*_: object, **__: object) -> NoReturn:
        raise failure

    monkeypatch.setattr("http.client.HTTPConnection.request", fails)
    assert await status(config) == 3

    assert config.http is not None
    assert capsys.readouterr().err == f"no agent answers at {config.http.listen}: {said}\n"


async def test_an_agent_that_ends_in_mid_answer_is_not_taken_for_another_program(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with another_program(config, b'{"site":', length=1000):
        assert await status(config) == 3

    assert config.http is not None
    assert capsys.readouterr().err == (
        f"no agent answers at {config.http.listen}: it ended the connection: ask again in a moment\n"
    )


async def test_another_program_at_the_port_is_not_taken_for_the_agent(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with another_program(config, b"<html>a printer</html>"):
        assert await status(config) == 3

    assert config.http is not None
    assert capsys.readouterr().err == (
        f"no agent answers at {config.http.listen}: another program does: "
        "give the agent another port in [http] listen\n"
    )


async def test_the_agent_of_another_site_at_the_port_is_not_taken_for_this_one(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(config, site="other-works"):
        assert await status(config) == 3

    out, err = capsys.readouterr()
    assert not out
    assert "that of other-works, not of " in err


def test_without_an_api_there_is_nobody_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configured(tmp_path, SITE + DEVICES).path

    assert main(["status", str(path)]) == 2
    assert "there is no [http] table to ask the agent through: add one" in capsys.readouterr().err


@pytest.mark.parametrize(("mode", "count"), [("off", 0), ("full", 3)])
def test_a_capture_shows_its_room_and_what_it_lacks(
    config: SiteConfig, capsys: pytest.CaptureFixture[str], mode: str, count: int
) -> None:
    capture = {"mode": mode, "files": 2, "bytes": 1 << 30, "exchanges": 12_345, "dropped": 6, "trouble": "no disk"}
    lines = said(config, capsys, capture=capture)

    shown = lines[lines.index("Capture") + 1 :] if "Capture" in lines else []
    assert (
        shown
        == [
            "  2 files, 1,024.0 MiB, 25 % of 4GiB",
            "  captured since the start: 12,345 exchanges; not captured: 6",
            "  no disk",
        ][:count]
    )


def test_the_key_of_the_seals_is_shown_to_be_written_down(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = {"public_key": "ed25519:AAAA", "sealed": "2026-11-20T08:00:01.250000Z", "to_seq": 812}
    lines = said(config, capsys, audit=audit)
    at = lines.index("Seals")

    assert lines[at + 1] == "  public key: ed25519:AAAA"
    assert lines[at + 2].endswith("over records up to 812")
    none = said(config, capsys, audit={"public_key": "", "sealed": None, "to_seq": None})
    assert none[none.index("Seals") + 1] == "  public key: none yet"
