"""`energy-agent replay` as people call it, on captures of ours and of tcpdump."""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest

from agent.cli import main
from agent.config.load import load_config
from agent.metering.amount import Reading
from agent.metering.counter import Counter
from agent.replay.order import in_order
from drivers.capture import Section, read_capture
from drivers.endpoint import parse_endpoint
from drivers.line import Line
from drivers.plan import plan
from simulators.plant import SimulatedPlant, load_plant
from tests.agent.replay.golden import keep
from tests.agent.replay.works import NS, PLANT, Works

Run = Callable[..., int]


@pytest.fixture
async def works(tmp_path: Path) -> Works:
    """Five minutes of the plant, captured into files."""
    found = Works(tmp_path, capture=tmp_path / "capture")
    await found.start()
    await found.run(150)
    found.faults.silent = {"motor-1"}
    await found.run(60)
    found.faults.silent.clear()
    await found.run(100)
    await found.stop()
    return found


def replay(works: Works, *more: str, config: str = "site.toml") -> int:
    folder = works.folder
    words = [str(folder / "capture"), "--config", str(folder / config), "--out", str(folder / "out")]
    return main(["replay", *words, *more])


def summary(works: Works) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((works.folder / "out" / "summary.json").read_bytes())
    return found


def test_what_was_captured_comes_out_identical(works: Works, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(works) == 0
    said = capsys.readouterr().out
    assert "exchanges/s" in said
    assert "identical  different  not recomputable" in said
    lines = (works.folder / "out" / "intervals.jsonl").read_bytes().splitlines()
    assert len(lines) == summary(works)["identical"] > 20
    assert summary(works)["mode"] == "verified"


async def test_a_capture_in_which_no_interval_was_recorded_is_no_proof(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Works(tmp_path, capture=tmp_path / "capture")
    await found.start()
    await found.run(30)
    await found.stop()

    assert replay(found) == 1
    assert "no interval was recorded in what is given" in capsys.readouterr().out


def test_an_interval_that_differs_is_named_and_the_answer_is_no(
    works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (works.folder / "capture").iterdir()
    if file.suffix == ".zst":
        subprocess.run(["zstd", "-q", "-d", "--rm", str(file)], check=True)
        file = file.with_suffix("")
    content = file.read_bytes()
    amount = b'"amount":'
    at = content.index(amount, content.index(b'"account":"motor-2/electricity"', content.index(b"MESSAGE=interval")))
    digit = at + len(amount)
    file.write_bytes(content[:digit] + bytes((content[digit] ^ 1,)) + content[digit + 1 :])
    assert replay(works) == 0, "hashes are what is compared"
    at = content.index(b'"hash":"sha256:', at) + 15
    file.write_bytes(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
    capsys.readouterr()
    assert replay(works) == 1
    said = capsys.readouterr().out
    assert re.search(r"the first that differs: motor-2/electricity \S+ \S+\+08:00, ", said)
    assert summary(works)["different"] == 1


def test_another_configuration_shows_what_would_have_been(works: Works, capsys: pytest.CaptureFixture[str]) -> None:
    text = (works.folder / "site.toml").read_text(encoding="utf-8")
    (works.folder / "other.toml").write_text(text.replace("CN-AH", "CN-SC"), encoding="utf-8")
    assert replay(works, config="other.toml") == 0
    said = capsys.readouterr().out
    assert "not what the capture was made with: configuration" in said
    assert "recorded  recomputed  difference" in said
    rows = {(row["account"], row["figure"]): row for row in summary(works)["compared"]}
    energy, co2 = rows["main-meter/electricity", "amount"], rows["main-meter/electricity", "co2_kg"]
    assert energy["recorded"] == pytest.approx(energy["supposed"], abs=1e-9)
    assert co2["supposed"] < 0.5 * co2["recorded"], "hydropower"
    assert rows["boiler-1/natural_gas", "co2_kg"]["difference"] == pytest.approx(0.0, abs=1e-6)


def test_what_cannot_be_booked_is_named_also_where_something_is_supposed(
    works: Works, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Counter, reading: Reading) -> NoReturn:
        raise ValueError(f"no {reading.value:g}")

    monkeypatch.setattr(Counter, "book", fails)
    text = (works.folder / "site.toml").read_text(encoding="utf-8")
    (works.folder / "other.toml").write_text(text.replace("CN-AH", "CN-SC"), encoding="utf-8")
    replay(works, config="other.toml")

    assert "note: main-meter/electricity: a reading cannot be booked: no " in capsys.readouterr().out


def test_intervals_of_another_length_add_up_to_the_same(works: Works) -> None:
    text = (works.folder / "site.toml").read_text(encoding="utf-8")
    (works.folder / "other.toml").write_text(text.replace('length = "1min"', 'length = "30s"'), encoding="utf-8")
    assert replay(works, config="other.toml") == 0
    rows = {(row["account"], row["figure"]): row for row in summary(works)["compared"]}
    for account in ("main-meter/electricity", "motor-1/electricity", "boiler-1/natural_gas", "steam"):
        row = rows[account, "amount"]
        assert row["recorded"] == pytest.approx(row["supposed"], abs=1e-5)


def test_another_factor_set_shows_what_would_have_been(works: Works) -> None:
    packaged = Path(main.__code__.co_filename).parent / "carbon" / "factors" / "gbt-32151-34-2024.toml"
    text = packaged.read_text(encoding="utf-8")
    (works.folder / "mine.toml").write_text(text.replace("0.99", "0.90"), encoding="utf-8")
    assert replay(works, "--factors", str(works.folder / "mine.toml")) == 0
    found = summary(works)
    assert found["mode"] == "supposed"
    assert found["other"] == ["factor set GB/T 32151.34-2024"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "--config", "{site}", "--out", "{out}"], "nowhere: No such file or directory"),
        (["{empty}", "--config", "{site}", "--out", "{out}"], "holds no capture"),
        (["{site}", "--config", "{site}", "--out", "{site}"], "name a folder to write to"),
        (["{site}", "--config", "{site}", "--out", "{out}"], "site.toml ends at byte 0: this is no capture"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    works = Works(tmp_path)
    (tmp_path / "empty").mkdir()
    places = {"site": works.folder / "site.toml", "out": tmp_path / "out", "empty": tmp_path / "empty"}
    assert main(["replay", *(word.format(**places) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


async def test_files_are_read_in_the_order_they_were_written_whatever_the_clock_said(tmp_path: Path) -> None:
    works = Works(tmp_path, capture=tmp_path / "capture")
    await works.start()
    before = works.config
    await works.run(100)
    works.now.wall_ns -= 7200 * NS
    await works.reload(interval="2min")
    await works.run(200)
    await works.stop()
    (tmp_path / "before.toml").write_text(before.path.read_text(encoding="utf-8").replace("2min", "1min"))
    by_name = sorted((tmp_path / "capture").iterdir())
    assert in_order(by_name) != by_name
    assert await asyncio.to_thread(replay, works, "--config", str(tmp_path / "before.toml")) == 0
    assert summary(works)["unknown"] == summary(works)["different"] == 0


def test_a_file_given_twice_counts_once(works: Works) -> None:
    assert replay(works) == 0
    once = summary(works)
    (file,) = (works.folder / "capture").iterdir()
    shutil.copy(file, works.folder / "copy.pcapng")
    captures = [str(file.parent), str(file), str(works.folder / "copy.pcapng")]
    places = ["--config", str(works.folder / "site.toml"), "--out", str(works.folder / "out")]
    assert main(["replay", *captures, *places]) == 0
    twice = summary(works)
    for key in ("files", "exchanges", "identical", "withdrawn"):
        assert twice[key] == once[key], key


async def test_a_file_that_is_missing_between_others_is_told_of(tmp_path: Path) -> None:
    works = Works(tmp_path, capture=tmp_path / "capture")
    await works.start()
    for _ in range(2):
        await works.run(100)
        await works.reload()
    await works.run(100)
    await works.stop()
    _, between, last = in_order((tmp_path / "capture").iterdir())
    assert await asyncio.to_thread(replay, works) == 0
    assert not summary(works)["remarks"]
    between.unlink()
    assert await asyncio.to_thread(replay, works) == 0
    assert summary(works)["remarks"] == [f"a part of the run before {last.name} is in no capture given"]


async def test_configurations_before_a_reload_are_found_where_the_agent_has_kept_them(tmp_path: Path) -> None:
    works = Works(tmp_path, capture=tmp_path / "capture")
    await works.start()
    before = works.config
    keep(before, tmp_path / "kept")
    await works.run(150)
    await works.reload(interval="2min")
    keep(works.config, tmp_path / "kept")
    await works.run(300)
    await works.stop()
    assert await asyncio.to_thread(replay, works) == 0
    alone = summary(works)
    assert alone["mode"] == "verified"
    assert alone["unknown"] > 0
    assert alone["identical"] > 0

    (tmp_path / "audit").mkdir()
    (tmp_path / "kept").rename(tmp_path / "audit" / "documents")
    assert await asyncio.to_thread(replay, works) == 0
    found = summary(works)
    assert found["unknown"] == found["different"] == 0
    assert found["identical"] == alone["unknown"] + alone["identical"]


@pytest.mark.integration
async def test_what_tcpdump_saw_of_the_plant_is_booked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant = SimulatedPlant(load_plant(PLANT), seed=7, speed=60.0)
    dump = tmp_path / "seen.pcap"
    async with plant.serving() as urls:
        url = urls["boiler-1"][0]
        port = url.rpartition(":")[2]
        text = Works(tmp_path, interval="1s", every="1s").folder.joinpath("site.toml").read_text(encoding="utf-8")
        text = re.sub("rated_power = .*", "", text.replace("tcp://10.20.0.5:502", url, 1))  # time runs fast here
        (tmp_path / "site.toml").write_text(text, encoding="utf-8")
        config = load_config(tmp_path / "site.toml")
        options = ("-i", "lo", "--immediate-mode", "-U", "-w", str(dump), "tcp", "port", port)
        process = await asyncio.create_subprocess_exec("tcpdump", *options, stderr=asyncio.subprocess.PIPE)
        assert process.stderr
        if b"permission" in await process.stderr.readline():
            await process.wait()
            pytest.skip("tcpdump may not listen here: it needs root or CAP_NET_RAW")
        line = Line("other", parse_endpoint(url), timeout_s=1.0, pause_s=0)
        motors = [device for device in config.devices if device.line == "boiler-house"]
        for _ in range(30):
            for device in motors:
                for item in plan(config.profiles[device.name], every_s=1.0):
                    await line.read(device.unit, item.block)
            await asyncio.sleep(0.15)
        await line.close()
        books = plant.books()["motor-1"]["active_energy_import"]
        process.send_signal(signal.SIGINT)
        await process.communicate()
    words = [str(dump), "--config", str(tmp_path / "site.toml"), "--out", str(tmp_path / "out")]
    assert await asyncio.to_thread(main, ["replay", *words]) == 0
    assert "captured by others" in capsys.readouterr().out
    totals = orjson.loads((tmp_path / "out" / "summary.json").read_bytes())["totals"]
    assert 0.3 * books < totals["motor-1/electricity"]["amount"] <= books
    assert totals["boiler-1/natural_gas"]["co2_kg"] > 0


def test_a_capture_says_of_itself_that_it_is_ours(works: Works) -> None:
    sections = [item for item in read_capture([works.folder / "capture"]) if isinstance(item, Section)]
    assert all(section.ours and section.site == "demo" for section in sections)
