"""The bundle of a real run: verified with nothing but itself, and whatever a forger does to it is found and named."""

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.outside import OutsideSeal, sound_seals
from agent.audit.public_key import public_text
from agent.audit.trusted import Trusted
from agent.audit.verify import NOTHING
from agent.bundle.gather import ROLLUPS
from agent.bundle.inspect import inspect
from agent.bundle.page import PAGES, page
from agent.bundle.rollups import SUMS
from agent.bundle.summary import period_ns
from agent.bundle.tally import Tally
from agent.bundle.verdict import State, Verdict
from agent.bundle.verify import ARCHIVE, CHAIN, FIGURES, KEY, PAGE, READINGS, SEALS, verify
from tests.agent.audit.ledger_of_records import Records
from tests.agent.bundle.works import (
    RECORDS,
    Body,
    Works,
    altered,
    chained_anew,
    command,
    forged_whole,
    records_of,
    remade,
    run_works,
)
from tests.certificates import Authority

pytestmark = pytest.mark.integration

_SECONDS = 11.0
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Works:
    """Run the plant once."""
    return run_works(tmp_path_factory.mktemp("works"), _SECONDS)


def _states(verdict: Verdict) -> Mapping[str, set[State]]:
    names = [each.name for each in verdict.checks]
    return {name: {each.state for each in verdict.checks if each.name == name} for name in names}


def _first(verdict: Verdict) -> tuple[str, str]:
    assert verdict.first is not None
    return verdict.first.name, verdict.first.text


def _more(body: Body) -> None:
    body["amount"] = body["amount"] + 1


def _seals(bundle: Path) -> list[OutsideSeal]:
    seals, wrong = sound_seals("seals.jsonl", inspect(bundle).read(RECORDS).splitlines())
    assert not wrong
    return seals


def test_every_part_of_an_untouched_bundle_holds(works: Works) -> None:
    known = Trusted((public_text(works.key.public_key()),), _seals(works.bundle))
    verdict = verify(works.bundle, known)
    assert verdict.right, verdict.checks
    holding = {each.name for each in verdict.of(State.HOLDS)}
    assert holding == {ARCHIVE, KEY, CHAIN, SEALS, FIGURES, PAGE, SUMS, READINGS}
    assert READINGS not in {each.name for each in verdict.of(State.UNCHECKED)}, verdict.checks


def test_the_documents_of_the_bundle_count_and_not_those_of_the_program(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.profile_file._CATALOGUE", tmp_path)
    monkeypatch.setattr("agent.carbon.library._PACKAGED", tmp_path)
    verdict = verify(works.bundle, NOTHING)
    assert verdict.right, verdict.checks
    assert {State.HOLDS} == _states(verdict)[READINGS]


def test_a_flipped_bit_anywhere_fails_in_its_member(works: Works, tmp_path: Path) -> None:
    content = works.bundle.read_bytes()
    spans = [(start, start + size, path) for path, (start, size) in inspect(works.bundle).places.items()]
    damaged, chance = tmp_path / "damaged.tar", random.Random(3)  # noqa: S311 -- where to damage
    for _ in range(2000):
        bit = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.write_bytes(flipped)
        verdict = verify(damaged, NOTHING)
        name, text = _first(verdict)
        assert name == ARCHIVE
        assert [each.name for each in verdict.of(State.FAILS)] == [ARCHIVE]
        assert all(path in text for start, end, path in spans if start <= bit // 8 < end), (bit, text)


def test_an_archive_signed_by_another_than_the_seals_fails(works: Works, tmp_path: Path) -> None:
    forged = remade(works.bundle, tmp_path / "forged.tar", OTHER, {})
    name, text = _first(verify(forged, NOTHING))
    assert name == KEY
    assert public_text(OTHER.public_key()) in text


def test_a_record_changed_by_somebody_with_the_key_breaks_the_chain_at_its_place(works: Works, tmp_path: Path) -> None:
    records = altered(works.bundle, _more)
    line, wrong = next(
        (number, body)
        for number, (body, was) in enumerate(zip(records, records_of(works.bundle), strict=True), 1)
        if body != was
    )
    content = b"".join(orjson.dumps(body) + b"\n" for body in records)
    name, text = _first(verify(remade(works.bundle, tmp_path / "forged.tar", works.key, {RECORDS: content}), NOTHING))
    assert name == CHAIN
    assert text.startswith(f"{RECORDS}, line {line}, record {wrong['seq']} (interval main-meter/electricity")


@pytest.mark.parametrize("what", ["left out", "twice", "swapped"])
def test_records_left_out_repeated_or_swapped_break_the_chain(works: Works, tmp_path: Path, what: str) -> None:
    lines = inspect(works.bundle).read(RECORDS).splitlines(keepends=True)
    middle = len(lines) // 2
    changed = {
        "left out": [*lines[:middle], *lines[middle + 1 :]],
        "twice": [*lines[: middle + 1], *lines[middle:]],
        "swapped": [*lines[:middle], lines[middle + 1], lines[middle], *lines[middle + 2 :]],
    }[what]
    forged = remade(works.bundle, tmp_path / "forged.tar", works.key, {RECORDS: b"".join(changed)})
    name, text = _first(verify(forged, NOTHING))
    assert name == CHAIN
    assert f"line {middle + (2 if what == 'twice' else 1)}" in text


def test_a_chain_made_anew_with_the_right_key_differs_from_the_captures_and_from_the_seals_received(
    works: Works, tmp_path: Path
) -> None:
    content = chained_anew(altered(works.bundle, _more), works.key)
    forged = remade(works.bundle, tmp_path / "forged.tar", works.key, {RECORDS: content})
    verdict = verify(forged, Trusted(seals=_seals(works.bundle)))
    failed = {each.name: each.text for each in verdict.of(State.FAILS)}
    assert {SEALS, FIGURES, READINGS} == failed.keys()
    assert "is another here than the one received outside" in failed[SEALS]
    assert failed[READINGS].startswith("main-meter/electricity")


def test_what_no_seal_received_is_over_is_said_to_rest_on_the_key_alone(works: Works, tmp_path: Path) -> None:
    forged = forged_whole(works, tmp_path / "forged.tar", _more, works.key)
    early = Trusted(seals=_seals(works.bundle)[:1])
    for bundle in (works.bundle, forged):
        told = [each.text for each in verify(bundle, early).of(State.UNCHECKED) if each.name == SEALS]
        assert any("are under no seal that was received" in text for text in told), told
    every = verify(works.bundle, Trusted(seals=_seals(works.bundle)))
    assert SEALS not in {each.name for each in every.of(State.UNCHECKED)}, every.checks


def test_a_bundle_wholly_made_anew_with_another_key_passes_only_what_needs_nothing_from_outside(
    works: Works, tmp_path: Path
) -> None:
    forged = forged_whole(works, tmp_path / "forged.tar", _more, OTHER)
    alone = verify(forged)
    assert alone.right, alone.checks
    assert {KEY, SEALS, READINGS} <= {each.name for each in alone.of(State.UNCHECKED)}
    said = command("verify", str(forged)).stdout
    assert "one made anew, whole and with another key, would look the same" in said
    for known in (Trusted((public_text(works.key.public_key()),)), Trusted(seals=_seals(works.bundle))):
        assert {KEY, SEALS} & {each.name for each in verify(forged, known).of(State.FAILS)}


@pytest.mark.parametrize(
    ("path", "name"),
    [("summary.json", FIGURES), ("index.html", PAGE), ("index.zh-CN.html", PAGE)],
)
def test_a_figure_or_page_changed_and_signed_again_is_found(works: Works, tmp_path: Path, path: str, name: str) -> None:
    content = inspect(works.bundle).read(path)
    position = content.index(b"0.") + 2
    changed = (
        content[:position] + (b"7" if content[position : position + 1] != b"7" else b"8") + content[position + 1 :]
    )
    found = _first(verify(remade(works.bundle, tmp_path / "forged.tar", works.key, {path: changed}), NOTHING))
    assert found[0] == name
    assert path in found[1]


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 5000])
def test_a_summary_that_is_none_is_told_in_one_line(works: Works, tmp_path: Path, content: bytes) -> None:
    forged = remade(works.bundle, tmp_path / "forged.tar", works.key, {"summary.json": content})
    name, text = _first(verify(forged, NOTHING))
    assert (name, text.partition(":")[0].partition(",")[0]) == (FIGURES, "summary.json")


@pytest.mark.parametrize("documents", [[None], ["x"], [{}], 7])
def test_a_list_of_documents_that_makes_no_sense_is_told_in_one_line(
    works: Works, tmp_path: Path, documents: object
) -> None:
    forged = remade(works.bundle, tmp_path / "forged.tar", works.key, {}, documents=documents)
    states = _states(verify(forged, NOTHING))
    assert State.HOLDS not in states[FIGURES]


def test_figures_forged_under_the_name_of_another_version_are_found(works: Works, tmp_path: Path) -> None:
    summary = orjson.loads(inspect(works.bundle).read("summary.json"))
    summary["records"] += 1
    changed = {"summary.json": orjson.dumps(summary, option=orjson.OPT_INDENT_2)}
    forged = remade(works.bundle, tmp_path / "forged.tar", works.key, changed, software="0.0.1")
    name, text = _first(verify(forged, NOTHING))
    assert (name, "records: says" in text) == (FIGURES, True)


def test_a_summary_of_another_version_that_tells_of_more_is_no_forgery(works: Works, tmp_path: Path) -> None:
    summary = orjson.loads(inspect(works.bundle).read("summary.json"))
    del summary["records"]
    changed = {"summary.json": orjson.dumps({**summary, "more": 1}, option=orjson.OPT_INDENT_2)}
    verdict = verify(remade(works.bundle, tmp_path / "other.tar", works.key, changed, software="0.0.1"), NOTHING)
    assert verdict.right, verdict.first
    assert State.UNCHECKED in _states(verdict)[PAGE]


def test_another_factor_in_a_document_of_the_bundle_is_found(works: Works, tmp_path: Path) -> None:
    inspection = inspect(works.bundle)
    manifest = inspection.manifest
    assert manifest is not None
    sha256 = next(each["sha256"] for each in manifest.head["documents"] if each["name"] == "CN-grid-2023")
    path = f"documents/{sha256}"
    changed = inspection.read(path).replace(b"0.6553", b"0.1553")
    verdict = verify(remade(works.bundle, tmp_path / "forged.tar", works.key, {path: changed}), NOTHING)
    name, text = _first(verdict)
    assert (name, text.partition(":")[0]) == (ARCHIVE, path)


def test_without_captures_the_verdict_says_what_could_not_be_checked(works: Works, tmp_path: Path) -> None:
    changed = {path: None for path in inspect(works.bundle).places if path.startswith("captures/")}
    verdict = verify(remade(works.bundle, tmp_path / "less.tar", works.key, changed), NOTHING)
    assert {State.UNCHECKED} == _states(verdict)[READINGS]


def test_the_command_says_its_verdict_in_words_and_its_exit_code(works: Works, tmp_path: Path) -> None:
    key = public_text(works.key.public_key())
    done = command("verify", str(works.bundle))
    assert done.returncode == 0, done.stdout
    assert "held against nothing from outside" in done.stdout
    done = command("verify", str(works.bundle), "--key", key)
    assert "VERDICT: this bundle holds, in itself and against the key you gave" in done.stdout
    done = command("verify", str(works.bundle), "--key", public_text(OTHER.public_key()))
    assert done.returncode == 1
    assert "VERDICT: this bundle does not hold. The first that is wrong: public-key.pem" in done.stdout
    assert done.stdout.count("signed by another key") == 1
    assert re.search(r"\(seal \S+ \S+\+08:00\) is the first|\(seal \S+ \S+\+08:00\): is the first", done.stdout)
    done = command("verify", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        2,
        f"{tmp_path}: is a folder: give the archive as it was made, not what was unpacked from it\n",
    )
    cut = tmp_path / "cut.tar"
    cut.write_bytes(works.bundle.read_bytes()[:-700])
    assert command("verify", str(cut)).returncode == 1
    for wrong in (["--key", "nonsense"], ["--seals", str(tmp_path / "none")]):
        done = command("verify", str(works.bundle), *wrong)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_period_that_cuts_intervals_is_rounded_outwards_everywhere(works: Works, tmp_path: Path) -> None:
    start, end = (datetime.fromisoformat(each) for each in works.period)
    cut = (start + timedelta(seconds=1)).isoformat(), (end - timedelta(seconds=1)).isoformat()
    bundle = tmp_path / "cut.tar"
    done = command("bundle", str(works.config), "--from", cut[0], "--to", cut[1], "--out", str(bundle))
    assert done.returncode == 0, done.stderr
    assert "time zone Asia/Shanghai; rounded outwards to whole intervals" in done.stdout

    manifest = inspect(bundle).manifest
    assert manifest is not None
    assert (manifest.head["from"], manifest.head["to"]) == works.period
    told = [orjson.loads(inspect(each).read("summary.json")) for each in (bundle, works.bundle)]
    assert told[0]["accounts"] == told[1]["accounts"]
    assert told[0]["reservations"] == told[1]["reservations"]
    assert "rounded" not in command(
        *("bundle", str(works.config), "--from", works.period[0], "--to", works.period[1]),
        *("--out", str(tmp_path / "whole.tar")),
    ).stdout  # fmt: skip


def test_what_cannot_be_bundled_is_one_line(works: Works, tmp_path: Path) -> None:
    start, end = works.period
    config = str(works.config)
    for period, out, said in (
        (("2020-01-01", "2020-01-02"), tmp_path / "b.tar", "choose another period"),
        ((end, start), tmp_path / "b.tar", "is not after"),
        ((start, end), works.bundle, "exists already"),
        ((start, end), tmp_path / "none" / "b.tar", "there is no folder"),
        ((start, end), tmp_path / ("x" * 300), "cannot be written (File name too long): name another file with --out"),
        ((start, end), tmp_path / ("x" * 300) / "b.tar", "File name too long: correct the path"),
        ((start, end), Path("/proc/b.tar"), "/proc/b.tar: cannot be written (No such file or directory)"),
    ):
        done = command("bundle", config, "--from", period[0], "--to", period[1], "--out", str(out))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr


def test_a_capture_that_is_still_being_written_is_named_where_the_period_reaches_into_it(
    works: Works, tmp_path: Path
) -> None:
    start, end = works.period
    capture = max((works.config.parent / "capture").glob("*.zst"))  # two, if an hour began meanwhile
    for name, told in (
        (f"{capture.name[:-27]}20200101T000000Z.pcapng", True),
        (f"{capture.name[:-27]}20991231T230000Z.pcapng", False),
    ):
        being_written = capture.with_name(name)
        being_written.touch()
        out = tmp_path / f"{name}.tar"
        done = command("bundle", str(works.config), "--from", start, "--to", end, "--out", str(out))
        being_written.unlink()
        assert (f"still being written, so not in it: {name}" in done.stdout) is told, done.stdout


def test_a_roll_up_that_says_otherwise_than_its_records_is_named(works: Works, tmp_path: Path) -> None:
    assert _states(verify(works.bundle))[SUMS] == {State.HOLDS}
    rollups = [orjson.loads(line) for line in inspect(works.bundle).read(ROLLUPS).splitlines()]
    chosen = [each for each in rollups if each["account"] == "site/electricity"][-2]
    chosen["co2_kg"] += 1
    content = b"".join(orjson.dumps(each) + b"\n" for each in rollups)
    verdict = verify(remade(works.bundle, tmp_path / "forged.tar", works.key, {ROLLUPS: content}))
    (wrong,) = verdict.of(State.FAILS)

    assert wrong.name == SUMS
    assert f"site/electricity, interval {chosen['start']}" in wrong.text
    assert "co2_kg is " in wrong.text
    nonsense = remade(works.bundle, tmp_path / "nonsense.tar", works.key, {ROLLUPS: b'{"end": 1}\n'})
    assert "cannot be added up again" in _first(verify(nonsense))[1]


def test_of_seals_of_other_records_a_bundle_was_held_against_the_key_alone(works: Works, tmp_path: Path) -> None:
    later = Records(works.key)
    later.seq = 10**6
    later.interval()
    (tmp_path / "seals.jsonl").write_bytes(orjson.dumps(later.seal()))
    done = command("verify", str(works.bundle), "--seals", str(tmp_path / "seals.jsonl"))

    assert done.returncode == 0
    assert "none of the seals received is in this part" in done.stdout
    said = " ".join(done.stdout.split())
    assert "VERDICT: this bundle holds, in itself and against the key of the seals you gave, apart from what" in said
    assert said.endswith(f"signed with {public_text(works.key.public_key())}, that of the seals you gave.")


def test_an_authority_whose_stamps_no_bundle_has_is_nothing_that_it_was_held_against(
    works: Works, tmp_path: Path
) -> None:
    done = command("verify", str(works.bundle), "--authority", str(Authority(tmp_path).file))

    said = " ".join(done.stdout.split())
    assert "held against nothing from outside" in said
    assert "Nothing of what you gave concerns these records." in said


def test_seals_of_other_parts_of_the_chain_in_the_same_file_weaken_nothing(works: Works) -> None:
    later = Records(works.key)
    later.seq = 10**6
    later.interval()
    more, _ = sound_seals("later.jsonl", [orjson.dumps(later.seal())])
    known = Trusted((public_text(works.key.public_key()),), [*_seals(works.bundle), *more])
    verdict = verify(works.bundle, known)

    assert not list(verdict.of(State.UNCHECKED))
    assert [each.name for each in verdict.of(State.NOTE)] == [SEALS]
    assert verdict.sentence("this bundle", known) == (
        f"this bundle holds, in itself and against the key and the seals you gave. It is signed with "
        f"{public_text(works.key.public_key())}, which you gave."
    )


def test_the_page_works_out_by_hand_to_the_last_digit_what_was_recorded(works: Works) -> None:
    manifest = inspect(works.bundle).manifest
    assert manifest is not None
    head = {key: value for key, value in manifest.head.items() if key != "schema"}
    summary = orjson.loads(inspect(works.bundle).read("summary.json"))
    plain = []
    for body in records_of(works.bundle):
        tally = Tally(*period_ns(manifest.head))
        if tally.within(body):
            tally.take(body)
            plain += [tally.example] if tally.example else []
    assert len(plain) > 5
    for body in plain:
        shown = page({**summary, "example": body}, head, "en").decode()
        found = re.search(r"Amount: difference</dt><dd>([0-9.]+) \w+ \(recorded: ([0-9.]+) ", shown)
        counters = re.findall(r"straight line between [^<]+</dt><dd>([0-9.]+) ", shown)
        assert found is not None
        assert found[1] == found[2], body
        start, end = (round(float(each) * 10**6) for each in counters)
        assert end - start == round(body["amount"] * 10**6), body


def test_the_page_shows_each_factor_as_it_is_with_the_arithmetic_that_it_goes_by(works: Works) -> None:
    manifest = inspect(works.bundle).manifest
    assert manifest is not None
    summary = orjson.loads(inspect(works.bundle).read("summary.json"))
    head = {key: value for key, value in manifest.head.items() if key != "schema"}
    of_gas = [each for each in records_of(works.bundle) if each.get("account") == "boiler-1/natural_gas"]
    body = next(each for each in of_gas if each.get("amount") and each["coverage"] == 1)
    shown = unescape(page({**summary, "example": body}, head, "en").decode())

    factor = body["factor"]
    kg = factor["value"] / 10
    assert factor["unit"] == "tCO2/1e4Nm3"
    assert f"{factor['value']:.10g} tCO2/1e4Nm3 ({factor['set']}, {factor['id']}) = {kg:.10g} kg/Nm3" in shown
    assert f"{body['amount']:.6f} Nm3 × {kg:.10g} kg/Nm3 = {body['amount'] * kg:.6f} kg (recorded: " in shown  # noqa: RUF001 -- a sign of multiplication
    assert f"number {body['seq']} (“seq” in the file)" in shown
    assert f"recorded: {body['energy_kwh']:.6f} kWh" in shown
    assert f"kgce (recorded: {body['kgce']:.6f} kgce)" in shown
    (of_set,) = {each["sha256"] for each in head["documents"] if each["name"] == factor["set"]}
    assert f"<code>documents/{of_set}</code>" in shown
    quality = shown[shown.index('id="s3"') : shown.index('id="s4"')]
    assert {each["confidence"] for each in summary["factors"]} <= set(re.findall('<td class="w">([^<]+)</td>', quality))


def test_what_the_page_says_to_type_fits_on_it_and_checks_the_bundle(works: Works, tmp_path: Path) -> None:
    for path in PAGES:
        shown = [
            unescape(each)
            for each in re.findall("<pre>(.*?)</pre>", inspect(works.bundle).read(path).decode(), re.DOTALL)
        ]
        assert [line for each in shown for line in each.splitlines() if len(line) > 88] == []
        folder = tmp_path / path
        folder.mkdir()
        shutil.copy(works.bundle, folder)
        typed = "set -e\n" + "\n".join(shown[-2:]).replace("python3 -", f"{sys.executable} -IS -")
        done = subprocess.run(["bash"], input=typed, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert public_text(works.key.public_key()).removeprefix("ed25519:") in done.stdout.splitlines()
        assert "records, each with its own hash and that of the one before" in done.stdout


def test_the_chinese_page_tells_what_happened_in_chinese_and_as_it_was_recorded(works: Works) -> None:
    manifest = inspect(works.bundle).manifest
    assert manifest is not None
    head = {key: value for key, value in manifest.head.items() if key != "schema"}
    event = {"name": "glitch", "where": "<b>", "count": 2, "first": manifest.head["from"], "last": manifest.head["to"]}
    event["text"] = "9 after 5 was out of line: discarded"
    summary = {**orjson.loads(inspect(works.bundle).read("summary.json")), "events": [event]}
    english, chinese = (page(summary, head, language).decode() for language in ("en", "zh-CN"))

    assert "<td>9 after 5 was out of line: discarded</td>" in english
    told = '5 之后的读数 9 离群：已舍弃<br><span class="small">9 after 5 was out of line: discarded</span>'  # noqa: RUF001 -- Chinese punctuation
    assert f"<td>{told}</td>" in chinese


def test_the_page_says_how_to_check_the_time_stamps_where_there_are_any(works: Works) -> None:
    manifest = inspect(works.bundle).manifest
    assert manifest is not None
    head = {key: value for key, value in manifest.head.items() if key != "schema"}
    summary = orjson.loads(inspect(works.bundle).read("summary.json"))
    stamp = {"what": "timestamp", "name": "http://tsa.example/", "time": head["from"], "until": head["to"]}
    for language in ("en", "zh-CN"):
        plain = page(summary, head, language).decode()
        stamped = page({**summary, "evidence": [*summary["evidence"], stamp, stamp]}, head, language).decode()
        assert "--authority" not in plain
        assert stamped.count("verify evidence.tar --authority ") == 1


def test_the_page_names_the_meter_whose_certificate_ran_out(works: Works) -> None:
    summary = orjson.loads(inspect(works.bundle).read("summary.json"))
    assert {each["device"]: each["state"] for each in summary["meters"]}["main-meter"] == "expired"
    page = inspect(works.bundle).read("index.html").decode()
    assert "EXPIRED within the period" in page
    assert "<script" not in page


def test_the_page_says_by_which_coefficients_standard_coal_was_worked_out_and_which_factors_were_in_force(
    works: Works,
) -> None:
    inspection = inspect(works.bundle)
    summary = orjson.loads(inspection.read("summary.json"))

    of_power = next(each for each in summary["coal"] if "main-meter/electricity" in each["accounts"])
    assert (of_power["unit"], of_power["kgce"]) == ("kWh", 0.1229)
    assert of_power["source"] == "0.1229 kgce/kWh (GB/T 2589-2020 Table A.2)"
    of_gas = next(each for each in summary["coal"] if "boiler-1/natural_gas" in each["accounts"])
    assert of_gas["kgce"] == pytest.approx(38.931 / 29.3076)
    assert {each["set"]: each.get("year", each.get("effective")) for each in summary["factors"]} == {
        "GB/T 32151.34-2024": "2025-03-01",
        "CN-grid-2023": 2023,
    }
    for name, words in (("index.html", ("Standard coal", "in force since 2025-03-01", "of the data of 2023")),
                        ("index.zh-CN.html", ("标准煤", "2025-03-01 起实施", "2023 年数据"))):  # fmt: skip
        shown = inspection.read(name).decode()
        assert [word for word in (*words, "0.1229 kgce/kWh (GB/T 2589-2020 Table A.2)") if word not in shown] == []


def test_totals_by_scope_say_how_much_of_them_was_measured_and_estimated(works: Works) -> None:
    summary = orjson.loads(inspect(works.bundle).read("summary.json"))
    known = {each["account"]: each for each in summary["accounts"]}

    whole = {**summary["whole"], "accounts": [name for scope in summary["scopes"] for name in scope["accounts"]]}
    for scope in (*summary["scopes"], whole):
        of_it = [known[name] for name in scope["accounts"]]
        energy = sum(abs(each["energy_kwh"]) for each in of_it)
        estimated = sum(abs(each["energy_kwh"]) * each["estimated"] for each in of_it) / energy
        assert scope["coverage"] == min(each["coverage"] for each in of_it)
        assert scope["estimated"] == pytest.approx(estimated, abs=1e-6)
    assert "Measured %" in inspect(works.bundle).read("index.html").decode().partition('<h2 id="s2">')[0]
