"""What a configuration may declare of meters."""

from pathlib import Path

import pytest

from agent.config import ConfigError
from tests.agent.frames import DEVICES, SITE, configured

REPLACED = """
[[replacement]]
account = "fan-1/electricity"
time = 2026-11-20T10:40:00
last_reading = 503.4
first_reading = 0.2
reason = "calibration due"
author = "Li Wei"
"""
FLOW = """
[[account]]
name = "boiler-1/gas"
device = "boiler-1"
carrier = "natural_gas"
from = "gas_flow"
"""


def test_a_time_without_offset_is_one_of_the_site(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + DEVICES + REPLACED)

    declared = config.replacements[0].declaration(config.site.zone)

    assert declared.time_ns == 1_795_142_400 * 10**9
    assert (declared.last, declared.first, declared.author) == (503.4, 0.2, "Li Wei")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (REPLACED.replace("fan-1/electricity", "fan-1/electricty"), "no account 'fan-1/electricty'"),
        (FLOW + REPLACED.replace("fan-1/electricity", "boiler-1/gas"), "has no reading to begin with"),
        (REPLACED + REPLACED, "has this already"),
        (REPLACED.replace("503.4", "1e300"), "1e+300 is too much: use 9"),
        (REPLACED.replace("503.4", "nan"), "finite number"),
        (REPLACED.replace("503.4", "-1.0"), "-1.0 is too little: use 0"),
        (REPLACED.replace('"Li Wei"', '""'), "author"),
        (REPLACED.replace("last_reading", "old_reading"), "old_reading"),
    ],
)
def test_a_mistake_in_a_declaration_is_told_with_its_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=r"site\.toml:\d+: ") as raised:
        configured(tmp_path, SITE + DEVICES + text)

    assert what in str(raised.value)
