"""`energy-agent verify CONFIG`: on what a real run has left, and on what somebody did to it afterwards."""

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.key_file import load_key
from agent.audit.outside import outside_seals
from agent.audit.public_key import public_text
from agent.audit.trusted import Trusted
from agent.bundle.gateway import CAPTURES, CHAIN, DOCUMENTS, OUTSIDE, READINGS, SEALS, verify_gateway
from agent.bundle.inspect import inspect
from agent.bundle.rollups import SUMS
from agent.bundle.verdict import State, Verdict
from agent.bundle.verify import verify
from agent.cli import main
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.metering.amount import NS_PER_S
from agent.record import Record, end_of, start_of
from agent.rollup.periods import Span
from agent.rollup.total import Part, Sum, rollup_body
from agent.service import Agent
from agent.store import Store, read_chained, record_hash
from agent.store.schema import read_inventory, to_row, write_inventory
from drivers.capture import Removed
from drivers.capture.files import CaptureFiles
from drivers.capture.reader import capture_files
from tests.agent.audit.ledger_of_records import OTHER, rechained
from tests.agent.audit.ledger_of_records import works as ledger
from tests.agent.audit.proving import CAPTURE, site
from tests.agent.running import Motor, running, undivided_capture, until
from tests.modbus_rig import rig

pytestmark = pytest.mark.integration

HOUR_NS = 3600 * NS_PER_S


async def ran(folder: Path, capture: str = CAPTURE) -> SiteConfig:
    async with rig("tcp", Motor()) as device:
        agent = Agent(site(folder, device.url, capture=capture))
        async with running(agent):
            await until(lambda: agent.scribe.counts["interval"] >= 4 and agent.scribe.counts.get("seal", 0) >= 3)
    return agent.config


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run an agent once; return the folder of all it has left, and of its seals as a subscriber saved them."""
    import asyncio  # noqa: PLC0415 -- the fixture of a whole module has no loop of its own

    folder = tmp_path_factory.mktemp("left")
    with undivided_capture():
        asyncio.run(ran(folder))
    with (folder / "seals.jsonl").open("wb") as file:
        for record in read_chained(folder / "data" / "store.db"):
            if record.kind == "seal":
                file.write(b"energy/works/agent/seal " + record.payload + b"\n")
    return folder


@pytest.fixture
def works(left: Path, tmp_path: Path) -> Path:
    """Return a copy of it, to do with what one likes."""
    return Path(shutil.copytree(left, tmp_path / "works"))


def judged(works: Path, *, outside: bool = True, keys: tuple[str, ...] = (), moved: tuple[Path, ...] = ()) -> Verdict:
    seals = outside_seals(works / "seals.jsonl")[0] if outside else None
    return verify_gateway(load_config(works / "site.toml"), Trusted(keys, seals), moved)


def first(verdict: Verdict) -> tuple[str, str]:
    assert verdict.first is not None, verdict.checks
    return verdict.first.name, verdict.first.text


def chain(works: Path) -> list[Record]:
    return list(read_chained(works / "data" / "store.db"))


def rewrite(works: Path, records: list[Record], payloads: list[bytes], *, books: bool = True) -> None:
    """Put other payloads in place of those of the store, with checksums that fit: whoever rules the disk can.

    The store's books are made to fit as well, unless somebody forgets them.
    """
    with closing(sqlite3.connect(works / "data" / "store.db", isolation_level=None)) as connection:
        for record in records:
            connection.execute("DELETE FROM interval_record WHERE seq = ?", (record.seq,))
        for payload in payloads:
            body = orjson.loads(payload)
            former = next(record for record in records if record.seq == body["seq"])
            made = Record(former.seq, former.kind, former.key, former.time_ns, payload)
            connection.execute("REPLACE INTO interval_record VALUES (?, ?, ?, ?, ?, ?)", to_row(made))
        if books:
            write_inventory(connection, replace(read_inventory(connection), chain=orjson.loads(payloads[-1])["hash"]))


def with_more_amount(records: list[Record]) -> tuple[int, list[bytes]]:
    """Return the number of an interval, and payloads in which it alone has another amount and the hash of that."""
    chosen = [record for record in records if record.kind == "interval"][2]
    body = {**orjson.loads(chosen.payload), "amount": 4711.0}
    changed = orjson.dumps({**body, "hash": record_hash(body)})
    return chosen.seq, [changed if record is chosen else record.payload for record in records]


def test_what_a_run_has_left_holds_in_every_part(works: Path) -> None:
    verdict = judged(works)

    assert verdict.right, verdict.checks
    holding = {each.name for each in verdict.of(State.HOLDS)}
    assert holding == {CHAIN, SEALS, OUTSIDE, DOCUMENTS, CAPTURES, READINGS}
    (readings,) = [each.text for each in verdict.of(State.HOLDS) if each.name == READINGS]
    assert "follow bit for bit" in readings
    (captures,) = [each.text for each in verdict.of(State.HOLDS) if each.name == CAPTURES]
    assert captures == "raw exchanges as they were closed: 1 file"
    assert not list(verdict.of(State.UNCHECKED)), [*verdict.of(State.UNCHECKED)]


def cut(works: Path, count: int) -> None:
    """Leave the first records of the chain, and books that fit."""
    records = chain(works)
    rewrite(works, records, [record.payload for record in records[:count]])


def test_one_seal_and_one_record_are_said_as_one(works: Path) -> None:
    kinds = [record.kind for record in chain(works)]
    cut(works, kinds.index("seal") + 1)
    said = [each.text for each in judged(works, outside=False).checks if each.name == SEALS]
    cut(works, 1)
    alone = [each.text for each in judged(works, outside=False).checks if each.name == CHAIN]

    assert [text for text in said if re.match(r"1 seal by ed25519:\S+ covers every record up to", text)], said
    assert alone[0].startswith("1 record, "), alone


def test_the_first_and_the_last_record_are_dated_by_one_rule_which_is_said(works: Path) -> None:
    records = chain(works)
    kinds = [record.kind for record in records]
    rewrite(works, records, [record.payload for record in records[kinds.index("interval") :][:5]])
    first_record, last_record = (orjson.loads(chain(works)[at].payload) for at in (0, -1))
    first_time, last_time = (each.get("end") or each["time"] for each in (first_record, last_record))
    (said,) = [each.text for each in judged(works, outside=False).checks if "each with its own hash" in each.text]

    assert first_record["schema"] == "energy-agent/interval/1"
    assert said == (
        "5 records, each with its own hash and that of the one before: "
        f"{first_record['seq']} (of {first_time}) to {last_record['seq']} (of {last_time}); "
        "an interval is dated by its end"
    )


def test_without_anything_from_outside_it_says_what_that_means(works: Path) -> None:
    verdict = judged(works, outside=False)

    assert verdict.right
    (unchecked,) = verdict.of(State.UNCHECKED)
    assert unchecked.name == OUTSIDE
    assert "whoever rules this machine has its key as well" in unchecked.text


def test_a_record_changed_on_the_disk_is_the_first_that_is_named(works: Path) -> None:
    records = chain(works)
    seq, payloads = with_more_amount(records)
    rewrite(works, records, payloads)
    name, text = first(judged(works, outside=False))
    following = records[[record.seq for record in records].index(seq) + 1].seq

    assert name == CHAIN
    assert text.startswith(f"record {following} ")
    assert f"does not follow record {seq}" in text


def with_rollup(works: Path, **changed: object) -> int:
    """Add to the store what an hour comes to, with figures changed; return its number."""
    records = chain(works)
    bodies = [orjson.loads(record.payload) for record in records if record.kind == "interval"]
    hour_ns = start_of(bodies[0]) // HOUR_NS * HOUR_NS
    together = Sum()
    for body in bodies:
        if body["account"] == bodies[0]["account"] and start_of(body) < hour_ns + HOUR_NS:
            together.add(Part.of(body, end_of(body)))
    head = {key: bodies[0][key] for key in ("site", "area", "device", "account")}
    body = rollup_body(head, Span("hour", "", hour_ns, hour_ns + HOUR_NS), together.total, 4)
    seq = records[-1].seq + 1
    payload = orjson.dumps({**body, "revision": 0, "seq": seq, **changed})
    with closing(sqlite3.connect(works / "data" / "store.db", isolation_level=None)) as connection:
        made = Record(seq, "rollup", "hall/motor-1", hour_ns, payload)
        connection.execute("INSERT INTO interval_record VALUES (?, ?, ?, ?, ?, ?)", to_row(made))
    return seq


def test_what_was_added_up_follows_from_the_intervals(works: Path) -> None:
    with_rollup(works)
    verdict = judged(works)

    assert verdict.right, verdict.checks
    (found,) = [each for each in verdict.checks if each.name == SUMS]
    assert (found.state, found.text) == (State.HOLDS, "1 hour, shift, day or month follows from the records")


def test_an_hour_that_says_otherwise_than_its_intervals_is_named(works: Path) -> None:
    seq = with_rollup(works, amount=4711.0)
    name, text = first(judged(works))

    assert name == SUMS
    assert text.startswith(f"{works / 'data' / 'store.db'}: motor-1/electricity, hour ")
    assert f"number {seq}: amount is 4711.0, its records come to " in text


def test_an_hour_of_records_that_are_not_here_cannot_be_told(works: Path) -> None:
    other = {"from_seq": 1, "to_seq": 2, "hash": "sha256:" + "1" * 64}
    with_rollup(works, amount=4711.0, source=other)
    verdict = judged(works)

    assert verdict.right, verdict.checks
    (found,) = [each for each in verdict.checks if each.name == SUMS]
    assert found.state is State.UNCHECKED
    assert found.text.startswith("1 of them: made of records that are not in force here")


def test_a_flipped_bit_in_the_file_is_damage_of_that_record(works: Path) -> None:
    record = [each for each in chain(works) if each.kind == "interval"][1]
    with closing(sqlite3.connect(works / "data" / "store.db", isolation_level=None)) as connection:
        damaged = bytes([record.payload[0] ^ 1]) + record.payload[1:]
        connection.execute("UPDATE interval_record SET payload = ? WHERE seq = ?", (damaged, record.seq))

    assert first(judged(works)) == (CHAIN, f"record {record.seq}: is damaged in the store's file")


def test_a_record_taken_out_is_noticed(works: Path) -> None:
    record = [each for each in chain(works) if each.kind == "interval"][1]
    with closing(sqlite3.connect(works / "data" / "store.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM interval_record WHERE seq = ?", (record.seq,))
    name, text = first(judged(works))

    assert name == CHAIN
    assert "a record between them is missing" in text


@pytest.mark.parametrize("key", ["the gateway's own", "another"])
def test_a_chain_made_wholly_anew_is_caught_by_seals_from_outside_and_by_the_captures(works: Path, key: str) -> None:
    own = load_key(works / "data" / "audit" / "key.pem")
    forger: Ed25519PrivateKey = own if key == "the gateway's own" else OTHER
    records = chain(works)
    seq, payloads = with_more_amount(records)
    rewrite(works, records, rechained(payloads, forger))
    alone, held = judged(works, outside=False), judged(works)

    assert {each.name for each in alone.of(State.FAILS)} == {READINGS}, "what was captured tells otherwise"
    name, text = first(held)
    assert name == CHAIN
    seals = [orjson.loads(record.payload) for record in records if record.kind == "seal"]
    over = next(seal for seal in seals if seal["from_seq"] <= seq <= seal["to_seq"])
    wanted = "is signed by another key" if forger is OTHER else f"records {over['from_seq']} to {over['to_seq']}"
    assert wanted in text
    if forger is OTHER:
        assert judged(works, outside=False, keys=(public_text(own.public_key()),)).first


def test_records_taken_away_at_the_end_are_missed_by_the_books_of_the_store(works: Path) -> None:
    records = chain(works)
    rewrite(works, records, [record.payload for record in records[:-3]], books=False)
    name, text = first(judged(works, outside=False))

    assert name == CHAIN
    assert text.startswith(f"record {records[-4].seq}: is the last that is here, but not the last that the store has")


@pytest.mark.parametrize("times", [1, 99])
def test_a_capture_that_a_running_agent_has_just_removed_is_looked_for_anew(
    works: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    gone = works / "capture" / "works-20200101T000000Z.pcapng"
    tries = 0

    def listing(paths: Iterable[Path]) -> list[Path]:
        nonlocal tries
        tries += 1
        return [*([gone] if tries <= times else []), *capture_files(paths)]

    monkeypatch.setattr("agent.bundle.places.capture_files", listing)
    states = {each.state for each in judged(works).checks if each.name == READINGS}
    assert states == ({State.HOLDS} if times == 1 else {State.FAILS})


async def test_where_capturing_was_never_configured_it_is_said_how_to_turn_it_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = await ran(tmp_path, capture="")
    starts = sorted(orjson.loads(each.payload)["start"] for each in chain(tmp_path) if each.kind == "interval")
    period = ["--from", starts[0], "--to", starts[-1], "--out", str(tmp_path / "all.tar")]
    assert main(["bundle", str(config.path), *period]) == 0
    said = " ".join(capsys.readouterr().out.split())
    of_gateway = [each.text for each in judged(tmp_path, outside=False).checks if each.name == READINGS]
    of_bundle = [each.text for each in verify(tmp_path / "all.tar").checks if each.name == READINGS]

    turned_on = f'to keep them from now on, write mode = "full" below [capture] in {config.path} and reload the agent'
    assert of_gateway == [f"no capturing is configured, so there are no raw exchanges: {turned_on}"]
    assert f"files of raw exchanges: 0: no capturing is configured: {turned_on}" in said
    assert "no record names a file of" not in said, "there is none at all"
    assert len(of_bundle) == 1
    assert of_bundle[0].startswith("no capturing was configured at the gateway, so there are no raw exchanges: ")


def test_without_documents_it_is_said_that_they_are_what_lacks(works: Path) -> None:
    shutil.rmtree(works / "data" / "audit" / "documents")
    (readings,) = [each.text for each in judged(works).checks if each.name == READINGS]

    assert readings.startswith("there are no documents in ")


def test_an_older_copy_put_back_is_caught_from_outside(works: Path) -> None:
    records = chain(works)
    seal = [record for record in records if record.kind == "seal"][-2]
    rewrite(works, records, [record.payload for record in records if record.seq <= seal.seq])
    name, text = first(judged(works))

    assert judged(works, outside=False).right
    assert name == CHAIN
    assert f"the records here end with {seal.seq}: what came later was taken away" in text


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(("change", "said"), [(_append, "is not the"), (Path.unlink, "is not in")])
def test_a_document_changed_or_gone_is_named(works: Path, change: Callable[[Path], object], said: str) -> None:
    digest = load_config(works / "site.toml").digest
    change(works / "data" / "audit" / "documents" / digest.removeprefix("sha256:"))
    failed = [each for each in judged(works).of(State.FAILS) if each.name == DOCUMENTS]

    assert len(failed) == 1
    assert said in failed[0].text
    assert digest in failed[0].text
    assert "site.toml" in failed[0].text


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("change", "said"), [(_flip, "its SHA-256 is another"), (Path.unlink, "is not there")])
def test_a_capture_changed_or_gone_is_named(works: Path, change: Callable[[Path], object], said: str) -> None:
    (file,) = (works / "capture").iterdir()
    change(file)
    failed = [each for each in judged(works).of(State.FAILS) if each.name == CAPTURES]

    assert [said in each.text and file.name in each.text for each in failed] == [True]


def directory_changed(works: Path) -> None:
    config = works / "site.toml"
    config.write_text(
        config.read_text(encoding="utf-8").replace('directory = "capture"', 'directory = "since"'), encoding="utf-8"
    )
    (works / "since").mkdir()


def test_captures_are_found_where_an_earlier_configuration_had_them(works: Path) -> None:
    directory_changed(works)
    verdict = judged(works)

    assert verdict.right, verdict.checks
    assert {each.name for each in verdict.of(State.HOLDS)} >= {CAPTURES, READINGS}


def test_captures_that_were_moved_are_missed_until_one_says_where_to(works: Path) -> None:
    (file,) = (works / "capture").iterdir()
    archive = Path(shutil.copytree(works / "capture", works / "archive"))
    file.unlink()
    (failed,) = judged(works).of(State.FAILS)
    found = judged(works, moved=(archive,))

    assert failed.text == (
        f"{file.name} is not there, and no record says that it was removed. Looked for in {works / 'capture'}: "
        "if they were moved elsewhere, name that folder with --captures"
    )
    assert found.right
    assert not list(found.of(State.UNCHECKED))


def test_of_two_files_of_one_name_the_one_that_was_closed_counts(works: Path) -> None:
    archive = Path(shutil.copytree(works / "capture", works / "archive"))
    _flip(next(archive.iterdir()))

    assert judged(works, moved=(archive,)).right


@pytest.mark.usefixtures("one_capture_file")
async def test_files_of_one_name_in_two_folders_are_all_recomputed_and_bundled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, hour_ns = CaptureFiles.open, time.time_ns() // HOUR_NS * HOUR_NS

    def of_an_hour(files: CaptureFiles, _start_ns: int) -> list[Removed]:
        return opened(files, hour_ns)

    monkeypatch.setattr("agent.capturing.NAMES_KEPT", 0)  # as agents were that knew of no names elsewhere
    monkeypatch.setattr(CaptureFiles, "open", of_an_hour)
    async with rig("tcp", Motor()) as device:
        config = site(tmp_path, device.url)
        text = config.path.read_text(encoding="utf-8")
        agent = Agent(config)
        async with running(agent):
            for directory in ("second", "third"):
                await until(lambda: agent.capture.status.exchanges > 5)
                changed = text.replace('directory = "capture"', f'directory = "{directory}"')
                config.path.write_text(changed, encoding="utf-8")
                again = load_config(config.path)
                agent.reload(again)
                await until(lambda: agent.config is again)  # noqa: B023 - waited for at once
            await until(lambda: agent.scribe.counts["interval"] >= 4)
    starts = sorted(orjson.loads(each.payload)["start"] for each in chain(tmp_path) if each.kind == "interval")
    verdict = judged(tmp_path, outside=False)
    bundle = tmp_path / "all.tar"
    period = ["--from", starts[0], "--to", starts[-1], "--out", str(bundle)]
    assert main(["bundle", str(config.path), *period]) == 0
    summary = orjson.loads(inspect(bundle).read("summary.json"))

    assert verdict.right, verdict.checks
    assert "raw exchanges as they were closed: all 3 files" in [each.text for each in verdict.checks]
    assert [each["held"] and each["recorded"] for each in summary["captures"]] == [True] * 3
    assert verify(bundle).right


def test_a_bundle_has_captures_of_an_earlier_folder_and_of_one_that_is_given(works: Path) -> None:
    starts = sorted(orjson.loads(each.payload)["start"] for each in chain(works) if each.kind == "interval")
    for name in ("before", "moved"):
        if name == "before":
            directory_changed(works)
        else:
            (works / "capture").rename(works / "archive")
        more = ["--captures", str(works / "archive")] if name == "moved" else []
        bundle = works / f"{name}.tar"
        period = ["--from", starts[0], "--to", starts[-1], "--out", str(bundle)]
        assert main(["bundle", str(works / "site.toml"), *period, *more]) == 0
        verdict = verify(bundle)
        assert READINGS in {each.name for each in verdict.of(State.HOLDS)}, verdict.checks
    assert main(["verify", str(bundle), *more]) == 2, "a bundle has them in it"


def test_a_folder_for_captures_that_is_none_is_said_in_one_line(
    works: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["verify", str(works / "site.toml"), "--captures", str(works / "none")])
    assert "is no folder: name the one that captures were moved to" in capsys.readouterr().err


def test_the_command_says_it_in_words_with_its_exit_code(works: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, seals = str(works / "site.toml"), str(works / "seals.jsonl")
    assert main(["verify", config, "--seals", seals]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "VERDICT: what this gateway has recorded holds, in itself and against the seals you gave." in said
    assert re.search(r"sealed \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?\+08:00", said)
    assert not re.search(r"T\d\d:\d\d:\d\d", said), "times are those of the site's clock"
    assert main(["verify", config]) == 0
    assert "held against nothing from outside" in " ".join(capsys.readouterr().out.split())
    assert main(["verify", config, "--seals", seals, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["right"] is True
    assert re.search(r"sealed \S+T\S+Z", json.dumps(told["checks"])), "programs are told UTC"
    assert told["verdict"].startswith("what this gateway has recorded holds, in itself and against the seals you gave.")
    for wrong in (["--key", "nonsense"], ["--seals", str(works / "none")], ["--seals", config]):
        assert main(["verify", config, *wrong]) == 2
    assert main(["verify", str(works / "none.toml")]) == 2


@pytest.mark.parametrize("line", [b"hello", b'{"schema":"energy-agent/seal/1"'])
def test_junk_in_the_file_of_seals_is_a_mistake_in_that_file_and_no_finding(
    works: Path, capsys: pytest.CaptureFixture[str], line: bytes
) -> None:
    seals = works / "seals.jsonl"
    count = len(seals.read_bytes().splitlines())
    with seals.open("ab") as file:
        file.write(line)

    assert main(["verify", str(works / "site.toml"), "--seals", str(seals)]) == 2
    assert capsys.readouterr().err.startswith(f"{seals}:{count + 1}: ")


def test_the_seals_of_another_site_are_said_to_be_those(works: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = works / "theirs.jsonl"
    payloads = [payload for payload in ledger(site="other-works").payloads if b"seal/1" in payload]
    theirs.write_bytes(b"\n".join(payloads))

    assert main(["verify", str(works / "site.toml"), "--seals", str(theirs)]) == 2
    said = capsys.readouterr().err
    assert said == "the seals given are of site other-works, these records of works: give those of the same site\n"
    theirs.write_bytes(b"\n".join([*payloads, (works / "seals.jsonl").read_bytes()]))
    assert main(["verify", str(works / "site.toml"), "--seals", str(theirs)]) == 0


def test_a_store_that_is_not_there_is_said_in_one_line(works: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (works / "data").glob("store.db*"):
        file.unlink()

    assert main(["verify", str(works / "site.toml")]) == 2
    assert "there is no store yet" in capsys.readouterr().err


async def test_a_store_without_a_record_is_not_said_to_hold(works: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (works / "data").glob("store.db*"):
        file.unlink()
    store = Store(works / "data/store.db", max_size=1 << 30, commit_every_s=60, sinks=["mqtt"])
    await store.open()
    await store.close()

    for arguments in ([], ["--json"]):
        assert main(["verify", str(works / "site.toml"), *arguments]) == 2
        said = capsys.readouterr()
        assert said.err == (
            f"{works / 'site.toml'}: there is nothing to verify yet: no interval was recorded in the store\n"
        )
        assert not said.out


async def test_a_running_agent_is_verified_beside_it(tmp_path: Path) -> None:
    async with rig("tcp", Motor()) as device:
        agent = Agent(site(tmp_path, device.url))
        async with running(agent):
            await until(lambda: agent.scribe.counts["interval"] >= 3 and agent.scribe.counts.get("seal", 0) >= 2)
            verdict = verify_gateway(agent.config, Trusted())

    assert verdict.right, verdict.checks


@pytest.mark.parametrize("kind", ["interval", "evidence", "seal"])
@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b'{"a":1}', b'{"schema":"energy-agent/evidence/1","digest":[]}']
)
def test_nonsense_with_a_checksum_that_fits_is_a_finding_and_no_more(works: Path, kind: str, payload: bytes) -> None:
    record = [each for each in chain(works) if each.kind == kind][1]
    with closing(sqlite3.connect(works / "data" / "store.db", isolation_level=None)) as connection:
        made = Record(record.seq, record.kind, record.key, record.time_ns, payload)
        connection.execute("REPLACE INTO interval_record VALUES (?, ?, ?, ?, ?, ?)", to_row(made))
    name, text = first(judged(works))

    assert name == CHAIN
    assert text.endswith("is no record of the chain as the agent writes it")


def test_a_bundle_can_be_made_before_the_first_capture_was_closed(
    works: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    starts = sorted(orjson.loads(each.payload)["start"] for each in chain(works) if each.kind == "interval")
    (file,) = (works / "capture").iterdir()
    file.rename(file.with_suffix(""))  # being written
    period = ["--from", starts[0], "--to", starts[-1], "--out", str(works / "e.tar")]

    assert main(["bundle", str(works / "site.toml"), *period]) == 0
    assert f"still being written, so not in it: {file.stem}" in capsys.readouterr().out
