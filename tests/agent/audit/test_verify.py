"""Verification of a chain: what holds is said to hold, and of anything else the first wrong record is named."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import orjson
import pytest

from agent.audit.chain_report import ChainReport
from agent.audit.outside import OutsideSeal, sound_seals
from agent.audit.public_key import public_text
from agent.audit.trusted import Trusted
from agent.audit.verify import verify_chain
from tests.agent.audit.ledger_of_records import KEY, OTHER, Records, changed, rechained, resigned, works

TRUSTED = public_text(KEY.public_key())


def kept_outside(records: Records) -> list[OutsideSeal]:
    """Return the seals of a chain as a subscriber has saved them."""
    seals, wrong = sound_seals("seals.jsonl", [payload for payload in records.payloads if b"seal/1" in payload])
    assert not wrong
    return seals


def first(report: ChainReport) -> str:
    assert report.findings
    return str(report.findings[0])


def test_a_chain_as_the_agent_makes_it_holds() -> None:
    records = works()
    records.interval()
    report = verify_chain(records.payloads)

    assert (report.findings, report.remarks) == ([], [])
    assert (report.records, report.seals, report.keys) == (17, 3, [TRUSTED])
    assert report.kinds == {"evidence": 1, "interval": 13, "seal": 3}
    assert report.from_the_beginning
    assert report.sealed
    assert report.sealed.seq == records.sealed["to_seq"]
    assert report.unsealed == 2, "the last seal itself, and what came behind it"
    assert report.confirmed == 0
    assert report.vouched is None


def test_nothing_at_all_holds_and_says_nothing() -> None:
    report = verify_chain([])

    assert (report.findings, report.records, report.first) == ([], 0, None)


def test_seals_received_outside_vouch_for_all_that_is_under_them() -> None:
    records = works()
    report = verify_chain(records.payloads, Trusted(seals=kept_outside(records)[:2]))

    assert not report.findings
    assert report.confirmed == 2
    assert report.vouched
    assert report.vouched.seq == 30


def test_any_flipped_bit_is_found_and_named() -> None:
    """2,000 bits, each alone: the record it stands in is the first that is named."""
    records, chance = works(), random.Random(8)  # noqa: S311 -- places, not secrets
    for _ in range(2000):
        payloads, place = list(records.payloads), chance.randrange(len(records.payloads))
        content = bytearray(payloads[place])
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        payloads[place] = bytes(content)
        report = verify_chain(payloads)
        seq = records.bodies()[place]["seq"]
        before = records.bodies()[place - 1]["seq"] if place else 0

        places = (f"record {seq} ", f"the record behind {before}:", f"was changed behind record {before}:")
        named = places if place else ("the first record", "record 3 ", "was changed: ")
        assert any(text in first(report) for text in named), (first(report), bytes(content))


Change = Callable[[Records], Sequence[bytes]]


def without(place: int) -> Change:
    return lambda records: [*records.payloads[:place], *records.payloads[place + 1 :]]


def swapped(place: int) -> Change:
    def change(records: Records) -> Sequence[bytes]:
        payloads = list(records.payloads)
        payloads[place], payloads[place + 1] = payloads[place + 1], payloads[place]
        return payloads

    return change


def put(place: int, make: Callable[[bytes], bytes]) -> Change:
    return lambda records: [*records.payloads[:place], make(records.payloads[place]), *records.payloads[place + 1 :]]


TAMPERED: dict[str, tuple[Change, str]] = {
    "an amount changed": (
        put(2, lambda payload: payload.replace(b"1.25", b"1.24")),
        "record 9 (interval boiler-1/natural_gas 2026-11-20T08:09:00Z): was changed behind record 6: its",
    ),
    "an amount changed and hashed anew": (
        put(2, lambda payload: changed(payload, amount=1.24)),
        "record 12 (interval boiler-1/natural_gas 2026-11-20T08:12:00Z): does not follow record 9",
    ),
    "a record taken out": (
        without(3),
        "record 15 (interval boiler-1/natural_gas 2026-11-20T08:15:00Z): does not follow",
    ),
    "the first record taken out and the chain made to fit": (
        lambda records: rechained([*records.payloads[1:]])[:5] + records.payloads[6:],
        "record 21",
    ),
    "a seal taken out": (without(5), "record 21 (interval boiler-1/natural_gas 2026-11-20T08:21:00Z): does not follow"),
    "a record twice": (
        lambda records: [*records.payloads[:3], records.payloads[2], *records.payloads[3:]],
        "record 9 (interval boiler-1/natural_gas 2026-11-20T08:09:00Z): stands there twice",
    ),
    "two records swapped": (
        swapped(2),
        "record 12 (interval boiler-1/natural_gas 2026-11-20T08:12:00Z): does not follow record 6",
    ),
    "two seals swapped": (
        lambda records: [*records.payloads[:5], records.payloads[10], *records.payloads[6:10], records.payloads[5]],
        "record 33",
    ),
    "a seal by another key": (put(5, lambda payload: resigned(payload, OTHER)), "record 21"),
    "the signature of another seal": (
        lambda records: [
            *records.payloads[:5],
            orjson.dumps(
                {**orjson.loads(records.payloads[5]), "signature": orjson.loads(records.payloads[10])["signature"]}
            ),
            *records.payloads[6:],
        ],
        "record 18 (seal 2026-11-20T08:18:00Z): has a signature that is not of its key",
    ),
    "a new chain in the middle": (
        lambda records: [*records.payloads[:6], *rechained(records.payloads[6:])],
        "record 21 (interval boiler-1/natural_gas 2026-11-20T08:21:00Z): begins a new chain behind record 18",
    ),
    "a record of another kind": (
        put(2, lambda payload: payload.replace(b"interval/1", b"telemetry/1")),
        "the record behind 6: is no record of the chain as the agent writes it",
    ),
    "a blank": (put(2, lambda payload: payload + b" "), "the record behind 6: is no record of the chain"),
    "a key twice": (
        put(2, lambda payload: payload.replace(b'"amount"', b'"amount":9,"amount"')),
        "the record behind 6: is no record of the chain",
    ),
    "a number that is none": (put(2, lambda payload: payload.replace(b'"seq":9', b'"seq":"9"')), "the record behind 6"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_done_to_a_chain_is_found_and_the_first_wrong_record_is_named(name: str) -> None:
    change, said = TAMPERED[name]

    assert first(verify_chain(change(works()))).startswith(said)


def test_whoever_holds_the_key_can_rewrite_everything_and_is_caught_from_outside_only() -> None:
    records = works()
    payloads = [changed(payload, amount=0.5) if b'"seq":24,' in payload else payload for payload in records.payloads]
    rewritten = rechained(payloads)
    report = verify_chain(rewritten, Trusted(seals=kept_outside(records)))

    assert not verify_chain(rewritten).findings
    assert report.confirmed == 1
    assert first(report) == (
        "record 33 (seal 2026-11-20T08:33:00Z) (seals.jsonl, line 2): is another here than the one received outside: "
        "records 18 to 30, which it is over, were rewritten"
    )


def test_a_chain_made_anew_by_another_key_is_caught_by_the_key_that_is_trusted() -> None:
    rewritten = rechained(works().payloads, OTHER)

    assert not verify_chain(rewritten).findings
    assert "is signed by another key than the one that is trusted" in first(
        verify_chain(rewritten, Trusted((TRUSTED,)))
    )
    assert "is signed by another key" in first(verify_chain(rewritten, Trusted(seals=kept_outside(works())[:1])))


def test_a_key_that_changes_on_the_way_is_found_unless_both_are_trusted() -> None:
    records = works()
    records.key = OTHER
    records.interval()
    records.seal()

    assert "is signed by another key than the seals before it" in first(verify_chain(records.payloads))
    both = verify_chain(records.payloads, Trusted((TRUSTED, public_text(OTHER.public_key()))))
    assert not both.findings
    assert len(both.keys) == 2


def test_an_older_copy_of_the_store_is_caught_by_a_later_seal() -> None:
    records = works()

    assert first(verify_chain(records.payloads[:8], Trusted(seals=kept_outside(records)))).endswith(
        "was received outside, but the records here end with 24: what came later was taken away"
    )


def test_seals_taken_out_of_a_chain_made_to_fit_are_missed_by_those_received_outside() -> None:
    records = works()
    bare = rechained([payload for payload in records.payloads if b"seal/1" not in payload])

    assert not verify_chain(bare).findings
    assert "was received outside and is not here: records 3 to 15" in first(
        verify_chain(bare, Trusted(seals=kept_outside(records)))
    )


def test_what_the_bounded_store_let_go_at_the_beginning_is_a_remark() -> None:
    records = works()
    report = verify_chain(records.payloads[3:], Trusted(seals=kept_outside(records)))

    assert not report.findings
    assert not report.from_the_beginning
    assert report.remarks == ["of the 5 records under seal 18, those before 12 are not here"]
    assert report.confirmed == 3
    lone = resigned(changed(records.payloads[5], count=1), records.key)
    (remark,) = verify_chain([*records.payloads[3:5], lone]).remarks
    assert remark == "of the 1 record under seal 18, those before 12 are not here"
    later = verify_chain(records.payloads[7:], Trusted(seals=kept_outside(records)))
    assert not later.findings
    assert later.elsewhere == 1


def test_seals_of_what_follows_a_part_of_the_chain_are_no_fault_of_it() -> None:
    records = works()
    part, outside = records.payloads[:8], Trusted(seals=kept_outside(records))
    report = verify_chain(part, outside, part=True)

    assert not report.findings
    assert report.confirmed == 1
    assert verify_chain(part, outside).findings


def test_a_part_made_anew_under_other_numbers_misses_the_seals_received_outside() -> None:
    records = works()
    bare = [payload for payload in records.payloads if b"seal/1" not in payload]
    report = verify_chain(rechained(bare), Trusted(seals=kept_outside(records)), part=True)

    assert "was received outside and is not here" in first(report)


def test_records_the_agent_says_it_dropped_are_a_remark() -> None:
    records = works(seals=1)
    gap = {"from_seq": 7, "to_seq": 13, "kinds": {"interval": 2, "telemetry": 3}, "reason": "store full"}
    records.add("gap", **gap)
    records.seal()
    payloads = [payload for payload in records.payloads if b'"seq":9,' not in payload and b'"seq":12,' not in payload]
    report = verify_chain(payloads)

    assert not report.findings
    assert report.remarks == [
        "between records 6 and 15 the agent had to drop records, as it says itself",
        "between records 2 and 16 the agent had to drop records, as it says itself",
    ]


def test_records_lost_with_an_older_copy_are_a_remark_although_the_chain_goes_on_without_a_break() -> None:
    records = works(seals=1)
    records.seq = 90
    records.add("gap", from_seq=20, to_seq=90, kinds={}, reason="commits lost by the disk")
    report = verify_chain(records.payloads)

    assert not report.findings
    assert report.remarks == ["records 20 to 90 are lost, as the agent says itself"]


@pytest.mark.parametrize("kinds", [{"telemetry": 5}, {"window": 1, "health": 2}])
def test_a_gap_of_other_records_excuses_nothing(kinds: dict[str, int]) -> None:
    records = works(seals=1)
    records.add("gap", from_seq=7, to_seq=13, kinds=kinds, reason="store full")

    assert "record 12" in first(verify_chain([p for p in records.payloads if b'"seq":9,' not in p]))


def test_one_record_is_not_told_of_as_several() -> None:
    records = works()
    records.add("gap", from_seq=20, to_seq=20, kinds={}, reason="commits lost by the disk")
    records.seal()

    assert verify_chain(records.payloads).remarks == ["record 20 is lost, as the agent says itself"]


def test_a_gap_does_not_excuse_a_record_that_was_changed() -> None:
    records = works(seals=1)
    records.add("gap", from_seq=7, to_seq=13, kinds={"interval": 2}, reason="store full")
    records.seal()
    payloads = [changed(p, amount=9.0) if b'"seq":15,' in p else p for p in records.payloads]

    assert "record 18" in first(verify_chain(payloads))


def test_lines_of_a_subscriber_are_read_with_topic_or_without_and_damage_is_named() -> None:
    records = works()
    seals = [payload for payload in records.payloads if b"seal/1" in payload]
    lines = [
        b"energy/works/agent/seal " + seals[1] + b"\n",
        seals[0] + b"\r\n",
        seals[0],
        b"\n",
        b'energy/works/agent/status {"schema":"energy-agent/status/1"}\n',
        seals[2].replace(b'"count":5', b'"count":6'),
        seals[2][:-9],
        b"no message",
    ]
    found, wrong = sound_seals("saved.txt", lines)

    assert [seal.body["seq"] for seal in found] == [18, 33]
    assert [str(each) for each in wrong] == [
        "saved.txt:6: the seal in it has another hash than it says: take it from another copy, or remove it",
        "saved.txt:7: is damaged or cut, and no message as it was sent: take it from another copy, or remove it",
        "saved.txt:8: holds no message: save one JSON message on each line, or remove it",
    ]


NONSENSE: list[object] = [None, True, [], {}, "", "x", -1, 0, 1.5, 2**60, [[]], {"a": None}, "sha256:zz", 1e-300]


def nested(depth: int) -> object:
    found: object = 0
    for _ in range(depth):
        found = [found]
    return found


def test_no_content_whatever_is_more_than_a_finding() -> None:
    records, chance = works(), random.Random(5)  # noqa: S311 -- places, not secrets
    records.add("gap", from_seq=7, to_seq=13, kinds={"interval": 2}, reason="store full")
    records.seal()
    for _ in range(1500):
        place = chance.randrange(len(records.payloads))
        body = orjson.loads(records.payloads[place])
        key, value = chance.choice(list(body)), chance.choice([*NONSENSE, nested(200)])
        body[key] = value
        payloads = list(records.payloads)
        payloads[place] = orjson.dumps(body)
        if chance.random() < 0.5:
            with suppress(ValueError):
                payloads[place] = changed(payloads[place])

        report = verify_chain(payloads, Trusted(seals=kept_outside(records)))
        assert bool(report.findings) == (payloads != records.payloads), body


def test_a_record_nested_beyond_all_measure_is_no_record() -> None:
    records = works()
    deep = b'{"schema":"energy-agent/event/1","x":' + b"[" * 900 + b"]" * 900 + b"}"

    assert "is no record" in first(verify_chain([*records.payloads, deep]))
    found, wrong = sound_seals("seals", [deep.replace(b"event", b"seal")])
    assert not found
    assert len(wrong) == 1


def test_seals_of_other_sites_in_the_same_file_neither_fail_nor_vouch_for_anything() -> None:
    records = works()
    seals = [body for body in works(seals=5, key=OTHER).bodies() if "root" in body]
    lines = [resigned(orjson.dumps({**seal, "site": "other-works"}), OTHER) for seal in seals]
    theirs, wrong = sound_seals("seals.jsonl", lines)
    assert (len(theirs), wrong) == (5, [])

    report = verify_chain(records.payloads, Trusted(seals=[*kept_outside(records), *theirs]))
    assert not report.findings
    assert report.confirmed == 3
    forged = verify_chain(rechained(records.payloads, OTHER), Trusted(seals=[*kept_outside(records), *theirs]))
    assert "is signed by another key than the one that is trusted" in first(forged)


def test_a_chain_under_the_name_of_another_site_is_not_freed_of_its_seals() -> None:
    records = works()
    renamed = rechained([orjson.dumps({**body, "site": "elsewhere"}) for body in records.bodies()])

    report = verify_chain(renamed, Trusted(seals=kept_outside(records)))
    assert report.foreign == "of site works, these records of elsewhere"
