"""What events tell is told on the Chinese page in Chinese, with the same figures: of every event that there is."""

# ruff: noqa: RUF001 -- Chinese punctuation

import ast
import re
import string
from functools import cache
from pathlib import Path

import pytest

from agent.bundle.page.told import NAMES, TEXTS, in_chinese
from agent.metering.amount import Declaration, Reading, Rule
from agent.metering.counter import Counter
from agent.metering.declared import Declared
from agent.timekeeping import Step
from agent.timekeeping.notices import given_up_event, step_event

ROOT = Path(__file__).parents[3]
S = 10**9
MADE_OF_SEVERAL = (
    *("the counter began at", "the counter was replaced at", "the clock was set by"),
    *("{author} declares:", "{count} intervals revised", "1 interval revised", "{polls} poll"),
)
"""Texts that the agent puts together."""


@cache
def source() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "agent").rglob("*.py")))


@cache
def pieces() -> str:
    """Return every piece of text that the agent has a word for, apart from the table itself."""
    found = []
    for path in sorted((ROOT / "agent").rglob("*.py")):
        if path.parent.name != "page":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(each for each in found if isinstance(each, str))


def fields(text: str) -> list[str]:
    return sorted(str(name) for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize(("english", "chinese"), TEXTS)
def test_a_text_and_its_translation_hold_the_same_figures(english: str, chinese: str) -> None:
    assert fields(english) == fields(chinese)
    given = {name: f"<{number}>" for number, name in enumerate(fields(english))}
    assert in_chinese("", english.format(**given)) == chinese.format(**given)


@pytest.mark.parametrize("english", [english for english, _ in TEXTS])
def test_each_text_is_one_that_the_agent_tells(english: str) -> None:
    words = [each.strip() for each in re.split(r"\{\w+\}|;", english) if len(each.strip(" :;,()")) > 1]
    if not english.startswith(MADE_OF_SEVERAL):
        assert [each for each in words if each not in pieces()] == [], "the agent says it otherwise: change the table"


def test_texts_that_are_made_of_several_are_told_so() -> None:
    first, told = Reading(90 * S, 0, 7.0), Declared()
    for last in (None, 100.5):
        _, text = told.use(Declaration("a", 80 * S, last, 5.0, "worn out", "Li Wei"), first, first)
        assert in_chinese("replacement", text).startswith("Li Wei申报：计数器")
    for followed in (True, False):
        text = step_event("works", Step(90 * S, 2 * S, followed))["text"]
        assert in_chinese("clock_step", text).startswith("时钟被调整 +2.0 秒：")
    for polls in (1, 3):
        text = given_up_event("works", 0, polls)["text"]
        assert f"的 {polls} 次轮询未保留" in in_chinese("polls_given_up", text)
    assert in_chinese("revised", "4 intervals revised, 1 not settled yet: ask again later: new set (Li)").endswith(
        "另有 1 条尚未结清，请稍后再试：new set (Li)"
    )


@pytest.mark.parametrize(
    ("told", "chinese"),
    [
        ("1 interval revised: new set (Li)", "修订了 1 条区间记录：new set (Li)"),
        (
            "1 interval revised, 1 not settled yet: ask again later: new set (Li)",
            "修订了 1 条区间记录，另有 1 条尚未结清，请稍后再试：new set (Li)",
        ),
        (
            "1 interval revised: as before: 4 intervals revised: new set (Li)",
            "修订了 1 条区间记录：as before: 4 intervals revised: new set (Li)",
        ),
        ("1 intervals revised: new set (Li)", "修订了 1 条区间记录：new set (Li)"),
        ("1,200 intervals revised: new set (Li)", "修订了 1,200 条区间记录：new set (Li)"),
        (
            "Li takes back: first reading 5 (worn out): 1 interval revised",
            "Li撤回申报：首次读数 5（worn out）：修订了 1 个区间",
        ),
        (
            "Li takes back: first reading 5 (worn out): 1 intervals revised",
            "Li撤回申报：首次读数 5（worn out）：修订了 1 个区间",
        ),
        (
            "Li takes back: last reading 9, first reading 5 (worn out): 1 interval revised",
            "Li撤回申报：旧表末次读数 9，新表首次读数 5（worn out）：修订了 1 个区间",
        ),
    ],
)
def test_one_interval_is_told_of_in_chinese_as_it_is_and_as_it_was_recorded_earlier(told: str, chinese: str) -> None:
    assert in_chinese("", told) == chinese


def test_one_poll_that_was_not_kept_is_told_of_as_one() -> None:
    text = given_up_event("works", 0, 1)["text"]

    assert text.startswith("1 poll made before the time was known was not kept: ")


def test_what_a_counter_notices_is_told_in_chinese() -> None:
    counter = Counter(modulus=None, max_rate=100.0, gap_after_s=60.0)
    for second, value in enumerate((1000.0, 1000.01, 1e6, 1000.02, 1.0, 1.01, 1.02, 1.03, 1.04)):
        counter.book(Reading(second * 10 * S, second * 10 * S, value, boot="b"))
    told = [in_chinese(str(event.rule), event.text) for event in counter.events]

    assert told == ["1000.01 → 1000000 增加过多：暂不记入", "1000.01 之后的读数 1000000 离群：已舍弃",
                    "计数器在 1000.02 之后由 1 继续：其间不记入"]  # fmt: skip


def test_every_event_that_there_is_has_a_name_in_chinese() -> None:
    told = set(re.findall(r'event_body\([^)]*name="(\w+)"', source())) | set(re.findall(r'report\("(\w+)"', source()))
    told |= set(re.findall(r'\bEvent\(.*, "(\w+)", \w+\)', source()))
    told |= {str(rule) for rule in Rule if rule not in (Rule.NORMAL, Rule.INTEGRAL)}

    assert told == NAMES.keys()


def test_what_is_told_otherwise_is_named_and_what_is_not_known_is_left() -> None:
    assert in_chinese("glitch", "told in other words") == NAMES["glitch"]
    assert in_chinese("glitch", "1 after 2 was out of line: discarded" * 100) == NAMES["glitch"]
    assert in_chinese("of_another_version", "text") == ""
