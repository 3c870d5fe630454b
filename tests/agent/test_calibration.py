"""Certificates of meters: written in the configuration, told to subscribers."""

from datetime import date
from pathlib import Path

import orjson
import pytest

from agent.board import Board
from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config import ConfigError
from agent.config.load import load_config
from agent.presence import post_meta

NOW = 1_790_000_000 * 10**9
TEXT = """[site]
name = "hefei-works"

[[line]]
name = "substation"
url = "tcp://127.0.0.1:5020"

[[device]]
name = "main-meter"
area = "substation"
line = "substation"
unit = 2
profile = "eastron/sdm630"

[[device.calibration]]
certificate = "DL-2023-00112"
by = "Anhui Institute of Metrology"
accuracy_class = "0.5S"
valid_until = 2026-03-09

[[device.calibration]]
certificate = "DL-2026-00417"
by = "Anhui Institute of Metrology"
accuracy_class = "0.5S"
calibrated = 2026-03-10
valid_until = 2029-03-09
"""


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_meter_has_one_certificate_after_the_other(tmp_path: Path) -> None:
    old, new = load_config(_write(tmp_path, TEXT)).devices[0].calibration
    assert old.valid(date(2026, 3, 9))
    assert not old.valid(date(2026, 3, 10))
    assert not new.valid(date(2026, 3, 9))
    assert new.valid(date(2029, 3, 9))


def test_meta_tells_the_certificates_of_a_meter(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, TEXT))
    board = Board()
    post_meta(board, config, Ledger(config, load_library(), start_ns=NOW), NOW)
    payload = board.get("substation/main-meter/meta")
    assert payload
    told = orjson.loads(payload)["calibration"]
    assert told[0] == {
        "certificate": "DL-2023-00112",
        "by": "Anhui Institute of Metrology",
        "accuracy_class": "0.5S",
        "valid_until": "2026-03-09",
    }
    assert told[1]["calibrated"] == "2026-03-10"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('accuracy_class = "0.5S"', 'accuracy_class = "good"', "site.toml:18: device.calibration.accuracy_class"),
        ("valid_until = 2029-03-09", "valid_until = 2026-03-01", "valid_until is not after calibrated"),
        ("valid_until = 2029-03-09", "valid_till = 2029-03-09", "did you mean 'valid_until'"),
        ('certificate = "DL-2026-00417"', 'certificate = ""', "site.toml:22: device.calibration.certificate"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said_at_its_line(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, TEXT.replace(right, wrong, 1)))
    assert said in str(caught.value)
