"""What the pages about the local API say must be so, in both languages."""

import re
from pathlib import Path

import pytest

from agent.api.intervals import LARGEST_PAGE, PAGE, PARAMETERS
from agent.api.openapi import openapi
from agent.api.stream import EVENTS, MOST_READERS, RING
from agent.service import Agent
from agent.state.metrics import exposition
from tests.agent.frames import DEVICES, SITE, configured

DOCS = Path(__file__).parents[2] / "docs"


def text(language: str) -> str:
    return (DOCS / f"api{language}").read_text(encoding="utf-8")


def first_cells(page: str, heading: str) -> set[str]:
    """Return the names in the first column of the table below a heading."""
    part = page.partition(f"\n## {heading}\n")[2] if heading else page
    rows = [line.split("|")[1] for line in part.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("language", "headings"), [(".md", ("Intervals", "Stream")), (".zh-CN.md", ("计量记录", "事件流"))]
)
def test_the_page_names_every_path_parameter_and_event(language: str, headings: tuple[str, str]) -> None:
    page = text(language)

    assert first_cells(page, "") == set(openapi()["paths"])
    assert first_cells(page, headings[0]) == set(PARAMETERS)
    assert first_cells(page, headings[1]) == {*EVENTS, "missed", "end"}
    for number in (LARGEST_PAGE, PAGE, MOST_READERS):
        assert re.search(rf"\b{number}\b", page)
    assert RING == 1000


@pytest.mark.parametrize(("language", "heading"), [(".md", "Metrics"), (".zh-CN.md", "指标")])
def test_the_page_names_every_metric(language: str, heading: str, tmp_path: Path) -> None:
    exposed = exposition(Agent(configured(tmp_path, SITE + DEVICES)).snapshot()).decode()
    names = set(re.findall(r"^# TYPE energy_agent_(\S+) ", exposed, re.MULTILINE))

    assert first_cells(text(language), heading) == names


def test_both_languages_have_the_same_commands_and_figures() -> None:
    def content(language: str) -> tuple[list[str], list[str], list[int]]:
        page = text(language)
        blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        lines = page.splitlines()
        return blocks, re.findall(r"energy_agent_[^`]+`", page), [line.count("|") for line in lines if line[:1] == "|"]

    assert content(".md") == content(".zh-CN.md")
