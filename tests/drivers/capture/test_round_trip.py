import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.capture import Captured, Damage, Note, Section, decoder, pcapng, read_capture
from drivers.capture.encoder import Encoder, note_blocks
from drivers.reading import Exchange, Outcome
from tests.drivers.capture.exchanges import BOOT, LINES, answered, failed, mixed, of_every_kind, refused, strange

NOTE = Note("books", 1_795_912_345_678_901_234, 123_456_789_012_345, {"text": "é=\n", "n": -1, "x": [0.1]})
HEAD = {"site": "works", "configuration": "sha256:abc", "version": "1.2"}


def written(path: Path, exchanges: Iterable[Exchange], *, notes: Iterable[Note] = ()) -> list[int]:
    """Write a file; return where each of its exchanges and notes ends."""
    encoder = Encoder(LINES, BOOT)
    parts = [encoder.begin(**HEAD)]
    parts += [encoder.exchange(exchange, "synchronised") for exchange in exchanges]
    parts += [note_blocks(note, BOOT) for note in notes]
    path.write_bytes(b"".join(parts))
    return list(itertools.accumulate(map(len, parts)))


def exchanges_in(path: Path) -> list[Exchange]:
    return [item.exchange for item in read_capture([path]) if isinstance(item, Captured)]


@pytest.mark.parametrize("kinds", [of_every_kind, strange])
@pytest.mark.parametrize("line", LINES)
def test_what_is_read_back_equals_what_was_written(
    line: str, kinds: Callable[[str], list[Exchange]], tmp_path: Path
) -> None:
    path = tmp_path / "a.pcapng"
    written(path, kinds(line))
    assert exchanges_in(path) == kinds(line)


def test_lines_are_kept_apart_when_their_exchanges_alternate(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    written(path, mixed(500))
    assert exchanges_in(path) == mixed(500)


def test_the_head_of_a_file_says_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    written(path, [])
    urls = {name: endpoint.url for name, endpoint in LINES.items()}
    assert [*read_capture([path])] == [
        Section(path, ours=True, site="works", configuration="sha256:abc", version="1.2", boot_id=BOOT, lines=urls)
    ]


def test_beside_an_exchange_stand_its_mark_the_clock_and_the_boot(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    encoder = Encoder(LINES, BOOT)
    good, lost = answered("hall"), failed("bus", Outcome.NO_REPLY)
    blocks = encoder.exchange(good, "right", 3) + encoder.exchange(lost, "unknown", 0, again=True)
    path.write_bytes(encoder.begin(**HEAD) + blocks)
    assert [item for item in read_capture([path]) if isinstance(item, Captured)] == [
        Captured(good, 1, booked=3, clock="right", boot_id=BOOT),
        Captured(lost, 2, booked=0, clock="unknown", boot_id=BOOT, again=True),
    ]


def test_a_file_needs_none_before_it(tmp_path: Path) -> None:
    encoder = Encoder(LINES, BOOT)
    exchanges = [answered("hall", at) for at in range(10)]
    for number, half in enumerate((exchanges[:5], exchanges[5:])):
        head = encoder.begin(**HEAD)
        (tmp_path / f"{number}.pcapng").write_bytes(head + b"".join(encoder.exchange(one, "") for one in half))
    assert exchanges_in(tmp_path / "1.pcapng") == exchanges[5:]
    assert exchanges_in(tmp_path) == exchanges


@pytest.mark.parametrize("size", [0, 10, 1 << 20])
def test_a_note_is_read_back_as_it_was_however_long_it_is(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    note = replace(NOTE, body={**NOTE.body, "long": "é=\n" * size})
    written(path, [answered("bus")], notes=[note, note])
    assert [item for item in read_capture([path]) if isinstance(item, Note)] == [note, note]


def test_a_file_cut_off_anywhere_loses_its_last_block_at_most_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    exchanges = [answered("hall"), failed("bus", Outcome.BAD_REPLY, reply=b"ab"), refused("bus"), answered("hall", 1)]
    ends = written(path, exchanges, notes=[NOTE])
    whole = path.read_bytes()
    for size in range(ends[0], len(whole) + 1):
        path.write_bytes(whole[:size])
        items = [*read_capture([path])]
        assert [item.exchange for item in items if isinstance(item, Captured)] == exchanges[: _ended(ends[1:-1], size)]
        assert any(isinstance(item, Damage) for item in items) == (size not in ends)


def _ended(ends: list[int], size: int) -> int:
    return sum(end <= size for end in ends)


@pytest.mark.parametrize("junk", [b"\0" * 40, b"\xff" * 40, b"\x00\x00\x00\x06\x00\x00\x00\x0c\x00\x00\x00\x0c"])
def test_damage_ends_a_file_where_it_begins(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    ends = written(path, [answered("hall")])
    path.write_bytes(path.read_bytes() + junk)
    *_, good, damage = read_capture([path])
    assert good == Captured(answered("hall"), 1, clock="synchronised", boot_id=BOOT)
    assert isinstance(damage, Damage)
    assert damage.offset == ends[-1]


def test_polls_that_do_not_count_up_by_one_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    polls = [5, 5, 6, 8, 7, 7, 0, 1, 2, 1 << 40, 0]
    exchanges = [replace(answered("hall", at), poll=poll) for at, poll in enumerate(polls)]
    written(path, exchanges)
    assert [exchange.poll for exchange in exchanges_in(path)] == polls


def test_a_note_that_never_ends_is_damage_before_it_takes_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_LONGEST_NOTE", 1 << 16)
    path = tmp_path / "a.pcapng"
    written(path, [answered("bus")])
    endless = pcapng.journal([("ENERGY_AGENT_PART", "1/9"), ("ENERGY_AGENT", "x" * 1000)])
    path.write_bytes(path.read_bytes() + 1000 * endless)
    *_, damage = read_capture([path])
    assert isinstance(damage, Damage)
    assert "longer than any" in damage.reason
    assert damage.offset < 70 * len(endless) + 10_000


def test_descriptions_of_interfaces_without_end_are_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_MOST_DESCRIBED", 1 << 16)
    path = tmp_path / "a.pcapng"
    line = pcapng.interface(pcapng.LINK_RAW, [(pcapng.INTERFACE_NAME, b"x" * 1000)])
    path.write_bytes(Encoder(LINES, BOOT).begin(**HEAD) + 1000 * line)
    *_, damage = read_capture([path])
    assert isinstance(damage, Damage)
    assert "more interfaces" in damage.reason
