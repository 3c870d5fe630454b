"""The golden capture: made once, by one Python on one machine; every other one must come to the same hashes."""

from pathlib import Path

import orjson

from agent.bundle.recomputed import Shelf
from agent.replay.published import Published
from agent.replay.verify import Verifier
from drivers.capture import read_capture
from tests.agent.replay.golden import CAPTURE, DOCUMENTS, HASHES


def test_every_hash_of_the_golden_capture_comes_out_the_same(tmp_path: Path) -> None:
    file = tmp_path / "intervals.jsonl"
    with Published(file) as published:
        report = Verifier(Shelf(DOCUMENTS).site_of, published).play(read_capture([CAPTURE]))
    assert report.first is None, str(report.first)
    assert not report.unknown
    made = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    places = [f"{each['hash']} {each['account']} {each['start']} {each['revision']}" for each in made]
    assert places == HASHES.read_text(encoding="utf-8").splitlines()
    rules = {rule for each in made for rule in each["evidence"]["rules"]}
    assert rules >= {"first", "normal", "gap", "glitch", "integral", "manual", "replacement"}
    assert report.withdrawn > 0
