from pathlib import Path

import pytest

from agent.config import ConfigError
from agent.config.reload import difference
from tests.agent.frames import DEVICES, SITE, configured


def virtual(body: str) -> str:
    return f'\n[[virtual]]\nname = "hall/all"\n{body}\n'


HALF = '\n[[virtual]]\nname = "hall/{0}"\nshare = {{ of = "fan-1/electricity", factor = {1} }}\n'
SHIFT = '\n[[shift]]\nname = "{0}"\nfrom = "{1}"\nto = "{2}"\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (virtual('sum = ["fan-2/electricity"]'), "no account 'fan-2/electricity'"),
        (virtual('sum = ["fan-1/electricity", "boiler-1/natural_gas"]'), "different units"),
        (virtual('sum = ["fan-1/electricity"]\nminus = ["fan-1/electricity"]'), "stands twice and would count twice"),
        (virtual(""), "give either sum (and minus), or share"),
        (HALF.format("a", 0.6) + HALF.format("b", 0.5), "exceed the whole"),
        (HALF.format("a", 0.3).replace("hall/a", "fan-1/electricity"), "is an account already"),
        (HALF.format("a", 0.3) + HALF.format("a", 0.3), "stands twice"),
        (SHIFT.format("early", "06:00:30", "14:00"), "changes within an interval"),
        (SHIFT.format("early", "25:00", "14:00"), "no time of the day"),
        (SHIFT.format("early", "06:00", "14:00") + SHIFT.format("late", "06:00", "22:00"), "begins together"),
        ('\n[[balance]]\nname = "hall"\nincoming = ["fan-9/electricity"]\n', "no account 'fan-9/electricity'"),
    ],
)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, SITE + DEVICES + text)
    assert what in str(caught.value)
    assert "site.toml:" in str(caught.value)


def test_shares_that_make_the_whole_and_shifts_around_the_clock_are_right(tmp_path: Path) -> None:
    night = SHIFT.format("night", "22:00", "06:00")
    config = configured(tmp_path, SITE + DEVICES + HALF.format("a", 0.4) + HALF.format("b", 0.6) + night)
    assert len(config.virtual) == 2
    without = configured(tmp_path, SITE + DEVICES)
    assert difference(without, config).ledger, "a reload takes them up"
