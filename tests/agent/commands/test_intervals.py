import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from agent.cli import main
from agent.commands.intervals import show
from agent.commands.kept import latest_revisions, parse_time
from agent.commands.outcome import CommandError
from agent.rollup.export import COLUMNS
from agent.store import Store
from tests.agent.commands.terminal import on_terminal
from tests.agent.frames import DEVICES, SITE, configured

SHANGHAI = ZoneInfo("Asia/Shanghai")
EIGHT = datetime(2026, 11, 20, 8, tzinfo=SHANGHAI)
DAY = ["--from", "2026-11-20", "--to", "2026-11-21"]


def record(quarter: int, account: str = "fan-1/electricity", revision: int = 0, amount: float = 1.5) -> dict[str, Any]:
    """Return an interval record so many quarters of an hour after eight o'clock."""
    start = EIGHT.timestamp() + quarter * 900
    texts = [datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z") for moment in (start, start + 900)]
    return {
        "account": account,
        "start": texts[0],
        "end": texts[1],
        "revision": revision,
        "amount": amount,
        "unit": "kWh",
        "energy_kwh": amount,
        "coverage": 1.0,
        "estimated": 0.0,
        "quality": "good",
    }


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a configuration whose store holds two accounts' intervals, one of them corrected."""
    config = configured(tmp_path, SITE + DEVICES + '\n[store]\npath = "store.db"\n')
    store = Store(tmp_path / "store.db", max_size=2**20, commit_every_s=0.05, sinks=[])
    await store.open()
    for body in (
        record(0),
        record(1),
        record(0, "boiler-1/natural_gas", amount=412.5),
        record(0, revision=1, amount=1.75),
    ):
        start_ns = round(datetime.fromisoformat(body["start"]).timestamp()) * 10**9
        store.append("interval", "hall/x", start_ns, body)
    await store.close()
    return config.path


def test_the_revision_in_force_is_shown_in_the_sites_time(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["intervals", str(path), *DAY]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "Intervals of works in 2026, times of Asia/Shanghai",
        "",
        "boiler-1/natural_gas, amounts in kWh",
        "start         amount      kWh  kg CO2  cover %  est. %  quality",
        "11-20 08:00  412.500  412.500            100.0     0.0  good",
        "",
        "fan-1/electricity, amounts in kWh",
        "start        amount    kWh  kg CO2  cover %  est. %  quality",
        "11-20 08:00   1.750  1.750            100.0     0.0  good, revision 1",
        "11-20 08:15   1.500  1.500            100.0     0.0  good",
    ]


def shown(capsys: pytest.CaptureFixture[str], *records: dict[str, Any], zone: str = "Asia/Shanghai") -> list[str]:
    show("works", list(records), ZoneInfo(zone))
    return capsys.readouterr().out.splitlines()


def test_the_year_stands_with_the_times_when_there_are_two(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, record(0), record(50 * 96))

    assert lines[0] == "Intervals of works, times of Asia/Shanghai"
    assert [line[:16] for line in lines[4:]] == ["2026-11-20 08:00", "2027-01-09 08:00"]


def test_seconds_and_offsets_are_shown_where_they_tell_times_apart(capsys: pytest.CaptureFixture[str]) -> None:
    odd = record(0) | {"start": "2026-11-20T00:00:10.000000Z"}
    assert shown(capsys, odd)[4].startswith("11-20 08:00:10  ")

    twice = [record(0) | {"start": f"2026-10-25T0{hour}:30:00.000000Z"} for hour in (0, 1)]
    lines = shown(capsys, *twice, zone="Europe/Berlin")
    assert [line[:16] for line in lines[4:]] == ["10-25 02:30+0200", "10-25 02:30+0100"]


def test_shares_are_percent_and_a_doubtful_factor_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    doubtful = record(0) | {"co2_kg": 0.9, "unverified": True, "coverage": 0.502, "estimated": 1 / 3}
    lines = shown(capsys, doubtful, record(1) | {"co2_kg": 12.0})

    assert lines[4:] == [
        "11-20 08:00   1.500  1.500   0.900?     50.2    33.3  good",
        "11-20 08:15   1.500  1.500  12.000     100.0     0.0  good",
        "",
        "? rests on a factor that was not checked against its source",
    ]


def test_energy_that_was_converted_by_a_doubtful_factor_is_marked_and_shifts_have_their_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    doubtful = record(0) | {"unit": "GJ", "energy_kwh": 416.667, "unverified": True, "period": "shift", "shift": "late"}

    assert shown(capsys, doubtful)[4].split()[:5] == ["11-20", "08:00", "late", "1.500", "416.667?"]


def test_the_longest_figures_fit_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    long = record(0, amount=123456.789) | {"co2_kg": 123456.789, "quality": "uncertain:incomplete"}
    show("works", [long, record(50 * 96)], SHANGHAI)

    assert max(len(line) for line in terminal.lines if not line.startswith("\x1b")) <= 80
    assert len(terminal.lines) == 6


def test_csv_can_be_read_back(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["intervals", str(path), *DAY, "--format", "csv"]) == 0

    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["account"], row["amount"]) for row in rows] == [
        ("boiler-1/natural_gas", "412.5"),
        ("fan-1/electricity", "1.75"),
        ("fan-1/electricity", "1.5"),
    ]
    assert rows[0]["co2_kg"] == ""


@pytest.mark.parametrize("form", [["--json"], ["--format", "json"]])
def test_json_is_the_records_themselves(path: Path, capsys: pytest.CaptureFixture[str], form: list[str]) -> None:
    assert main(["intervals", str(path), *DAY, "--account", "boiler-1/natural_gas", *form]) == 0

    (found,) = orjson.loads(capsys.readouterr().out)
    assert found["amount"] == 412.5
    assert found["hash"].startswith("sha256:")


def test_a_period_without_intervals_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["intervals", str(path), "--from", "2026-11-20T09:00", "--to", "2026-11-21"]) == 0
    assert capsys.readouterr().err == "no closed interval starts between 2026-11-20T09:00 and 2026-11-21\n"


def test_where_no_long_period_is_closed_yet_the_shorter_ones_are_pointed_to(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    period = ["--from", "2026-11-20T09:00", "--to", "2026-11-21"]
    assert main(["intervals", str(path), *period, "--every", "day"]) == 0
    assert capsys.readouterr().err.endswith(": --every interval shows those that are closed by now\n")


def test_the_end_of_a_period_does_not_belong_to_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--from", "2026-11-20T00:00:00Z", "--to", "2026-11-20T00:15:00Z", "--json"]

    assert main(["intervals", str(path), *arguments]) == 0
    assert len(orjson.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "yesterday", "--to", "2026-11-21"], "'yesterday' is no time: write one like"),
        (
            ["--from", "2026-11-20", "--to", "9999-12-31"],
            "'9999-12-31' is too far away: the store holds times up to 2262-04-11",
        ),
        (
            ["--from", "0001-01-01", "--to", "2026-11-21"],
            "'0001-01-01' is too far away: the store holds times from 1677-09-22 on",
        ),
        (["--from", "2026-11-20"], "--to"),
        ([*DAY, "--format", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_what_is_no_period_is_one_line(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    try:
        code = main(["intervals", str(path), *arguments])
    except SystemExit as end:
        code = int(str(end.code))

    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_without_a_store_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configured(tmp_path, SITE + DEVICES + '\n[store]\npath = "none.db"\n').path

    assert main(["intervals", str(path), *DAY]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}/none.db: there is no store yet: start the agent first, or check [store] path\n"
    )


def test_a_time_without_an_offset_is_one_of_the_site() -> None:
    assert parse_time("2026-11-20T08:00", SHANGHAI) == parse_time("2026-11-20T00:00:00Z", SHANGHAI)
    with pytest.raises(CommandError):
        parse_time("2026-13-20", SHANGHAI)


def test_the_highest_revision_is_in_force_in_whatever_order_they_came() -> None:
    newer, older = record(0, revision=2, amount=3.0), record(0, revision=1, amount=2.0)

    assert latest_revisions([newer, older]) == latest_revisions([older, newer]) == [newer]


def test_an_unknown_account_is_named_with_the_nearest_known(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["intervals", str(path), *DAY, "--account", "fan-1/electricty"]) == 2

    assert capsys.readouterr().err == "there is no account 'fan-1/electricty': did you mean 'fan-1/electricity'?\n"


def test_a_period_that_ends_before_it_begins_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["intervals", str(path), "--from", "2026-11-21", "--to", "2026-11-20"]) == 2

    assert "--to 2026-11-20 is not after --from 2026-11-21" in capsys.readouterr().err
