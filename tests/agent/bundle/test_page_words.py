"""The texts of the page: the same in both languages, with the same places for figures."""

import re
import string

import pytest

from agent.bundle.page.chinese import CHINESE
from agent.bundle.page.english import ENGLISH
from agent.bundle.page.words import WORDS
from agent.metering.amount import Rule
from drivers.reading import Quality


def _fields(text: str) -> list[str]:
    return sorted(str(name) for _, name, _, _ in string.Formatter().parse(text) if name)


def test_both_languages_say_the_same_things() -> None:
    assert ENGLISH.keys() == CHINESE.keys()
    for key, text in ENGLISH.items():
        assert _fields(text) == _fields(CHINESE[key]), key


def test_the_chinese_page_is_chinese() -> None:
    plain = {key for key, text in CHINESE.items() if not re.search("[一-鿿]", text)}
    assert plain == {"other", "made.value"}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_rule_and_quality_that_a_record_may_name_is_explained(language: str) -> None:
    words = WORDS[language]
    rules = [str(rule) for rule in Rule if rule not in (Rule.NORMAL, Rule.INTEGRAL, Rule.UNBOOKED)]
    qualities = [quality.label for quality in Quality if quality not in (Quality.GOOD, Quality.NOT_READ)]
    assert [word for word in (*rules, *qualities) if words.reason(word) == word] == []


def test_the_reason_of_a_revision_keeps_what_its_author_said() -> None:
    assert WORDS["en"].reason("factor_change: new set (Li Wei)").endswith("[factor_change]: new set (Li Wei)")
