"""What an agent booked, booked again from its capture: the same records to the last bit, whatever happened to it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.config import SiteConfig
from agent.corrections.desk import fingerprint
from agent.corrections.request import Revise, Withdrawal
from agent.metering.amount import Declaration, Delta, Reading
from agent.metering.counter import Counter
from agent.output.entry import Entry
from agent.polling.learning import Learned
from agent.replay.published import Published
from agent.replay.site import Site
from agent.replay.verdict import Report
from agent.replay.verify import Item, Verifier
from agent.tape.notes import Books
from drivers.capture import Captured, Note
from drivers.reading import Block
from tests.agent.replay.works import MORNING_NS, NS, Works

METER, MOTOR = "main-meter/electricity", "motor-1/electricity"


class Outcome:
    """What a replay says, and the records it wrote."""

    def __init__(self, report: Report, records: list[dict[str, Any]]) -> None:
        self.report, self.records = report, records


def replayed(works: Works, *configs: SiteConfig, items: Sequence[Item] | None = None) -> Outcome:
    sites = [Site(config) for config in configs or (works.config,)]
    file = works.folder / "again.jsonl"

    def site_of(books: Books) -> Site | None:
        return next((site for site in sites if not site.unlike(books)), None)

    with Published(file) as published:
        report = Verifier(site_of, published).play(items or [item for reel in works.reels for item in reel.items])
    return Outcome(report, [orjson.loads(line) for line in file.read_bytes().splitlines()])


async def identical(works: Works, *configs: SiteConfig) -> Outcome:
    """Replay all that was captured; expect exactly what was published."""
    outcome = replayed(works, *configs)
    assert outcome.report.first is None, str(outcome.report.first)
    assert outcome.report.total.unknown == 0, outcome.report.unknown
    published = await works.published()
    assert [each["hash"] for each in outcome.records] == [each["hash"] for each in published]
    assert outcome.records == published
    assert outcome.report.total.identical - outcome.report.withdrawn == len(published) > 0
    return outcome


async def test_an_hour_with_outages_and_glitches_is_booked_again_bit_for_bit(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(300)
    works.faults.silent = {"motor-1", "main-meter"}
    await works.run(200)
    works.faults.silent = {"boiler-1"}
    works.faults.shows[("motor-1", 0x0010)] = b"\xff\xff\xff\xff"
    await works.run(5)
    works.faults.shows.clear()
    await works.run(120)
    works.faults.silent.clear()
    works.faults.shows[("boiler-1", 0x0029)] = b"\xff\xff"  # the pressure by which its steam is weighed
    await works.run(60)
    works.faults.shows.clear()
    works.faults.shows[("motor-1", 0x0010)] = b"\x00\x00\x00\x07"  # reset
    await works.run(30)
    works.faults.shows.clear()
    works.made(12)
    await works.run(300)

    outcome = await identical(works)
    rules = {rule for record in outcome.records for rule in record["evidence"]["rules"]}
    assert {"gap", "normal", "glitch"} <= rules
    await works.stop()


async def test_readings_that_could_not_be_booked_are_named_and_all_others_booked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Counter.book

    def fails_for_a_while(counter: Counter, reading: Reading) -> Sequence[Delta]:
        if 100 < (reading.time_ns - MORNING_NS) // NS < 200:
            raise ValueError("a mistake in the agent")
        return book(counter, reading)

    monkeypatch.setattr(Counter, "book", fails_for_a_while)
    works = Works(tmp_path)
    await works.start()
    await works.run(400)

    outcome = await identical(works)
    named = [remark for remark in outcome.report.remarks if remark.startswith(f"{METER}: ")]
    assert len(named) == 1
    assert "a reading cannot be booked: a mistake in the agent" in named[0]
    assert "behind exchange" in named[0]
    await works.stop()


async def test_a_meter_replaced_and_declared_beforehand_or_afterwards_is_booked_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(200)
    last = works.plant.replace_meter("main-meter", 5.0)["active_energy_import"]
    at_ns = works.keeper.now_ns()
    await works.run(200)
    await works.asked(Declaration(METER, at_ns, round(last, 3), 5.0, "calibration", "Li Wei"))
    await works.corrections.turn()
    await works.run(100)
    outcome = await identical(works)
    assert any(record["revision"] and record["reason"] == "declared_reading" for record in outcome.records)
    await works.stop()


async def test_a_declaration_that_was_taken_back_is_booked_and_taken_back_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(200)
    last = round(works.plant.replace_meter("main-meter", 5.0)["active_energy_import"], 3)
    at_ns = works.keeper.now_ns()
    await works.run(200)
    await works.asked(Declaration(METER, at_ns, last, 5.0, "calibration", "Li Wei"))
    await works.corrections.turn()
    await works.run(100)
    await works.asked(Withdrawal(METER, at_ns, last, 5.0, "of another meter", "Li Wei"))
    await works.run(100)
    await works.asked(Declaration(METER, at_ns, last, 4.9, "calibration", "Li Wei"))
    await works.corrections.turn()
    await works.run(100)
    outcome = await identical(works)
    told = [str(record.get("reason")).partition(":")[0] for record in outcome.records if record["revision"]]
    assert {"declared_reading", "declaration_withdrawn"} <= {*told}
    await works.stop()


async def test_what_is_asked_by_command_is_booked_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(250)
    minute = 60 * NS
    entry = Entry("one", "bricks", MORNING_NS, MORNING_NS + 2 * minute, 1000.0, "shift book", "Li Wei")
    await works.asked(entry)
    await works.run(70)
    far = replace(entry, id="three", amount=9e12)
    with pytest.raises(AssertionError, match="would come to more than"):
        await works.asked(far)
    late = Entry("two", "bricks", MORNING_NS, MORNING_NS + minute, -7.5, "miscounted", "Li Wei")
    await works.asked(late)
    (tmp_path / "factors").mkdir()
    await works.run(60)
    factors = fingerprint(works.config, works.ledger.conversions.library)
    await works.asked(Revise(MORNING_NS, MORNING_NS + 10 * minute, "", "audit", "Li Wei", factors))
    await works.run(60)
    outcome = await identical(works)
    reasons = {str(record.get("reason", "")).partition(":")[0] for record in outcome.records}
    assert "entered" in reasons
    await works.stop()


async def test_factors_changed_by_reload_and_revised_on_command_are_booked_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    before = works.config
    await works.run(200)
    fuel = '\n[[fuel]]\ncarrier = "natural_gas"\nncv = "36.1 MJ/Nm3"\nfrom = 2026-01-01\n'
    await works.reload(more=f'{fuel}by = "a laboratory"\ndocument = "report 17"\n')
    await works.run(100)
    factors = fingerprint(works.config, works.ledger.conversions.library)
    minute = 60 * NS
    await works.asked(Revise(MORNING_NS, MORNING_NS + 3 * minute, "", "analysis", "Li Wei", factors))
    await works.run(30)
    outcome = await identical(works, before, works.config)
    assert any(str(record.get("reason", "")).startswith("factor_change") for record in outcome.records)

    without = replayed(works, before)
    assert without.report.total.unknown > 0
    assert without.report.total.different == 0
    assert "in no --config" in without.report.remarks[0]
    await works.stop()


async def test_a_reload_with_intervals_of_another_length_is_booked_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    before = works.config
    await works.run(130)
    works.faults.silent = {"motor-1"}
    await works.run(40)
    await works.reload(interval="5min")
    await works.run(100)
    works.faults.silent.clear()
    await works.run(600)
    await identical(works, before, works.config)
    await works.stop()


async def test_while_the_capture_is_switched_off_nothing_differs_and_nothing_is_told_of(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(130)
    writer, works.writer = works.writer, None
    await works.reload()
    await works.run(130)
    works.writer = writer
    await works.reload()
    await works.run(130)
    outcome = replayed(works)
    assert outcome.report.first is None, str(outcome.report.first)
    assert outcome.report.total.unknown == 0
    assert outcome.report.total.identical == len(outcome.records) < len(await works.published())
    assert any("is in no capture given" in each for each in outcome.report.remarks)
    await works.stop()


async def test_a_kill_takes_the_books_back_to_the_last_commit_and_so_does_the_replay(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(170)

    async def lost() -> None:
        await works.run(90)

    await works.kill(lost)
    works.pass_time(75)
    await works.start()
    await works.run(200)
    outcome = await identical(works)
    assert outcome.report.withdrawn > 0
    await works.stop()


async def test_a_restart_of_the_machine_with_another_boot_is_booked_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(170)
    await works.stop()
    works.pass_time(400)
    works.boot, works.now.monotonic_ns = "boot-2", 30 * NS
    await works.start()
    await works.run(200)
    await identical(works)
    await works.stop()


async def test_polls_that_waited_for_the_time_and_a_step_of_the_clock_are_booked_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    works.now.synchronised = False
    works.now.wall_ns -= 3600 * NS
    await works.start()
    await works.run(100)
    assert len(works.recorder.waiting) > 50
    works.now.wall_ns += 3600 * NS
    works.now.synchronised = True
    await works.run(200)
    works.now.wall_ns += 900 * NS
    works.now.synchronised = False
    await works.run(100)
    works.now.wall_ns -= 900 * NS
    await works.run(20)
    works.now.synchronised = True
    await works.run(100)
    works.now.wall_ns -= 40 * NS
    await works.run(200)
    outcome = await identical(works)
    assert any("clock_unsynced" in record["quality"] for record in outcome.records)
    await works.stop()


async def test_holes_strangers_and_blocks_asked_for_again_are_booked_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(60)
    motor = works.devices["motor-1"]
    first = motor.cadences[0].blocks[0]
    works.poll(motor, motor.cadences[0], twice=[Block(3, 0x0010, 6), first])
    works.faults.refused["motor-1"] = {first}
    await works.run(20)
    works.faults.refused.clear()
    works.learn("motor-1", Learned((Block(3, 0x0012, 2),)))
    await works.run(60)
    works.another_answers("main-meter")
    await works.run(10)
    works.learn("motor-1", Learned())
    await works.run(100)
    outcome = await identical(works)
    noted = [item for item in works.reels[0].items if isinstance(item, Note) and item.kind == "polled"]
    assert len(noted) >= 2
    assert outcome.report.polls == sum(
        (isinstance(item, Captured) and item.booked is not None) or (isinstance(item, Note) and item.kind == "polled")
        for item in works.reels[0].items
    )
    await works.stop()


async def test_a_replay_may_begin_with_any_file(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(100)
    works.faults.silent = {"motor-1"}
    await works.run(37)
    at = len(works.reels[0].items)
    assert isinstance(works.writer, type(works.reels[0]))
    works.writer.begin_file()
    await works.run(40)
    works.faults.silent.clear()
    await works.run(100)
    everything = await identical(works)
    part = replayed(works, items=works.reels[0].items[at:])
    assert part.report.total.different == part.report.total.unknown == 0
    assert 0 < part.report.total.identical < everything.report.total.identical
    await works.stop()


@pytest.fixture
async def works(tmp_path: Path) -> Works:
    """Three minutes of an undisturbed plant."""
    found = Works(tmp_path)
    await found.start()
    await found.run(200)
    await found.stop()
    return found


async def test_one_flipped_bit_in_one_reply_is_found_and_named(works: Works) -> None:
    items = [*works.reels[0].items]
    record = next(
        item.body["record"]
        for item in items
        if isinstance(item, Note) and item.kind == "interval" and item.body["record"]["account"] == MOTOR
    )
    proof = bytes.fromhex(record["evidence"]["close"]["registers"])
    for at, item in reversed([*enumerate(items)]):
        if isinstance(item, Captured) and item.exchange.unit == 2 and proof in item.exchange.data:
            changed = item.exchange.data.replace(proof, proof[:-1] + bytes((proof[-1] ^ 1,)))
            items[at] = replace(item, exchange=replace(item.exchange, data=changed))
            break
    first = replayed(works, items=items).report.first
    assert first is not None
    assert (first.account, first.start, first.key) == (MOTOR, record["start"], "amount")
    assert first.recorded != first.recomputed
    assert f"{MOTOR} {record['start']}: amount: recorded {first.recorded}, recomputed" in str(first)


async def test_a_record_that_was_changed_in_the_capture_is_found(works: Works) -> None:
    items = [*works.reels[0].items]
    at = next(at for at, item in enumerate(items) if isinstance(item, Note) and item.kind == "interval")
    note = items[at]
    assert isinstance(note, Note)
    changed = {**note.body["record"], "amount": note.body["record"]["amount"] + 1.0, "hash": "sha256:" + "0" * 64}
    items[at] = replace(note, body={**note.body, "record": changed})
    outcome = replayed(works, items=items)
    assert outcome.report.total.different == 1
    assert outcome.report.first is not None
    assert outcome.report.first.key == "amount"


async def test_a_record_that_was_taken_out_of_the_capture_is_found(works: Works) -> None:
    items = [*works.reels[0].items]
    del items[next(at for at, item in enumerate(items) if isinstance(item, Note) and item.kind == "interval")]
    assert replayed(works, items=items).report.total.different > 0


async def test_intervals_behind_a_gap_are_not_called_different(works: Works) -> None:
    items = [*works.reels[0].items]
    at = len(items) // 2
    books = next(item for item in items if isinstance(item, Note) and item.kind == "books")
    gone = [item for item in items[at : at + 40] if isinstance(item, Captured)]
    dropped = Note("dropped", books.time_ns, books.monotonic_ns, {"exchanges": len(gone), "notes": 0})
    later = Note("books", books.time_ns, books.monotonic_ns, {**books.body, "reason": "file", "part": 2})
    outcome = replayed(works, items=[*items[:at], dropped, later, *items[at + 40 :]])
    assert "exchanges and 0 notes are missing" in outcome.report.remarks[0]
    assert outcome.report.total.identical > 0
