"""The whole page: what it is, what to know first, and the sections by number."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from agent.bundle.page import figures, proof
from agent.bundle.page.example import recompute
from agent.bundle.page.html import STYLE, box, code, pairs, paragraph, text
from agent.bundle.page.view import View, number_of
from agent.bundle.page.words import WORDS

PAGES: Mapping[str, str] = {"index.html": "en", "index.zh-CN.html": "zh-CN"}
"""Language of each page by its path in the bundle."""
_PARTS = (
    *(figures.scopes, figures.accounts, figures.quality, figures.reservations, figures.revised, figures.factors),
    *(figures.meters, proof.events, proof.made_with, proof.captures, proof.chain, recompute, proof.verify),
    proof.contents,
)
_BLANK = '<span class="fill">&nbsp;</span>'
_DAY_S, _HOUR_S, _MINUTE_S = 86400, 3600, 60


def page(summary: Mapping[str, Any], head: Mapping[str, Any], language: str) -> bytes:
    """Return the page of a summary; `head` is what the manifest says of the bundle."""
    words = WORDS[language]
    view = View(summary, head, words, ZoneInfo(summary["timezone"]))
    title = text(words("title", site=summary["site"]))
    other = next(path for path, each in PAGES.items() if each != language)
    body = f'<p class="small" style="float:right"><a href="{other}">{text(words("other"))}</a></p>\n<h1>{title}</h1>\n'
    body += _facts(view) + _first(view) + "".join(part(view) for part in _PARTS)
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n<style>{STYLE}</style>\n'
        f"</head>\n<body>\n{body}</body>\n</html>\n"
    ).encode()


def _facts(view: View) -> str:
    words, summary, head = view.words, view.summary, view.head
    start, end = (view.short(summary[key]) for key in ("from", "to"))
    return pairs(
        [
            (words("period"), text(words("period.value", start=start, end=end, zone=summary["timezone"]))),
            (words("intervals"), text(words("intervals.value", length=_length(summary["interval_s"])))),
            (words("made"), text(words("made.value", created=view.short(head["created"]), software=head["software"]))),
            (words("key"), code(head["public_key"])),
            (words("configuration"), code(summary["configuration"])),
        ]
    )


def _first(view: View) -> str:
    words = view.words
    check = f"<h3>{text(words('check.head'))}</h3>\n"
    check += paragraph(text(words("check.1", section=number_of("verify"))))
    check += f"<pre>{text('energy-agent verify ' + view.head['file'])}</pre>\n" + paragraph(text(words("check.2")))
    check += paragraph(words("check.3", blank=_BLANK))
    known = f"<h3>{text(words('doubts.head'))}</h3>\n{figures.doubt_box(view)}"
    return box(check) + box(known, doubt=bool(figures.doubts(view)))


def _length(seconds: float) -> str:
    for unit, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
