"""What the page says, in its two languages."""

from typing import Any

from agent.bundle.page.chinese import CHINESE
from agent.bundle.page.english import ENGLISH
from drivers.value import frozen

Table = dict[str, str]


@frozen
class Words:
    """Texts of one language by their key."""

    language: str
    texts: Table

    def __call__(self, key: str, **given: Any) -> str:
        """Return a text with what is given put in."""
        return self.texts[key].format(**given)

    def reason(self, word: str) -> str:
        """Return what a rule, a quality or the reason of a revision means, with the word of the records itself."""
        name, _, more = word.partition(": ")
        told = self.texts.get(f"why.{name}")
        return (f"{told} [{name}]" + (f": {more}" if more else "")) if told else word


WORDS = {"en": Words("en", ENGLISH), "zh-CN": Words("zh-CN", CHINESE)}
