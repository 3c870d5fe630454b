"""What README and installation guide tell people to write must work, and be the same in both languages."""

import re
import tomllib
from pathlib import Path

import pytest

from agent.cli import main
from agent.config import ConfigError
from agent.config.load import load_config
from agent.demo import view
from tests.render_picture import page_of, svg

ROOT = Path(__file__).parent.parent
GUIDES = ("README", "docs/installing")
PAGES = (*GUIDES, "docs/performance")
LANGUAGES = (".md", ".zh-CN.md")
PICTURE = ROOT / "docs" / "demo.svg"


def text(page: str, language: str = ".md") -> str:
    return (ROOT / f"{page}{language}").read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def shell_commands(page: str) -> list[str]:
    """Return the lines of a page's shell blocks without their comments."""
    lines = "".join(blocks(page, "sh")).splitlines()
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines if line.strip()]


def targets(page: str) -> set[str]:
    """Return what a page links to inside the project."""
    return {link for link in re.findall(r"\]\(([^)#]+)\)", page) if "://" not in link}


def test_the_configuration_in_the_readme_loads(tmp_path: Path) -> None:
    (configuration,) = blocks(text("README"), "toml")
    site = tmp_path / "site.toml"
    site.write_text(configuration, encoding="utf-8")

    try:
        config = load_config(site)
    except ConfigError as error:
        pytest.fail(str(error))

    assert config.site.name == "hefei-works"


def test_both_languages_show_the_same_configuration() -> None:
    ours, theirs = ([tomllib.loads(block) for block in blocks(text("README", end), "toml")] for end in LANGUAGES)

    assert ours == theirs


@pytest.mark.parametrize("page", GUIDES)
def test_both_languages_show_the_same_commands(page: str) -> None:
    ours, theirs = (shell_commands(text(page, end)) for end in LANGUAGES)

    assert ours
    assert ours == theirs


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_sections_and_figures(page: str) -> None:
    def outline(language: str) -> tuple[list[int], int]:
        lines = re.sub(r"^```.*?^```", "", text(page, language), flags=re.MULTILINE | re.DOTALL).splitlines()
        return [len(line.split()[0]) for line in lines if line.startswith("#")], sum(line[:1] == "|" for line in lines)

    assert outline(".md") == outline(".zh-CN.md")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", GUIDES)
def test_every_command_that_is_named_exists(page: str, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = text(page, language)
    named = set(re.findall(r"energy-agent ([a-z][a-z-]+)", "\n".join(shell_commands(content))))
    named |= set(re.findall(r"`energy-agent ([a-z][a-z-]+)", content))

    assert named
    for command in named:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, capsys.readouterr().err


def test_every_make_target_that_is_named_exists() -> None:
    rules = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {line.split()[1] for line in shell_commands(text("README")) if line.startswith("make ")}

    assert named == {"demo", "test"}
    assert named <= rules


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str, language: str) -> None:
    folder = (ROOT / page).parent

    assert [link for link in targets(text(page, language)) if not (folder / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_to_pages_of_its_own_language(page: str) -> None:
    def without_language(language: str) -> set[str]:
        return {link.replace(".zh-CN", "") for link in targets(text(page, language))}

    itself = f"{Path(page).name}.md"
    assert without_language(".md") == without_language(".zh-CN.md")
    assert [link for link in targets(text(page)) if ".zh-CN" in link] == [f"{Path(page).name}.zh-CN.md"]
    assert [link for link in targets(text(page, ".zh-CN.md")) if link.endswith(".md") and ".zh-CN" not in link] == [
        itself
    ]


# --- the picture


def test_the_picture_is_small_and_loads_nothing_from_elsewhere() -> None:
    picture = PICTURE.read_text(encoding="utf-8")

    assert len(picture.encode()) < 60_000
    assert "comm_lost" in picture
    assert_self_contained(picture)


def test_a_rendered_page_loads_nothing_from_elsewhere() -> None:
    assert_self_contained(svg(view.page({**EMPTY, "uptime_s": 70.0}, [], "motor-2 is taken off its line")))


def assert_self_contained(picture: str) -> None:
    assert "@font-face" not in picture
    assert re.findall(r"(?:href|src)=\"[^#]|url\((?!#)|@import", picture) == []


EMPTY = {
    "site": "demo",
    "version": "0.1.0",
    "process": {"cpu_s": 1.5, "resident_bytes": 71 * 2**20},
    "devices": [],
    "sinks": [],
    "store": {"bytes": 319488, "dropped": {}},
    "records": {"interval": 29, "window": 435, "telemetry": 299},
    "intervals_closed": {"boiler-1/natural_gas": 29},
    "intervals_revised": {},
    "alarms": [],
}


def test_a_demo_that_ends_too_early_gives_no_picture() -> None:
    with pytest.raises(SystemExit, match="second outage"):
        page_of(
            ["curl http://127.0.0.1:8081/api\n", "   20 s  3/4 devices\n", "        motor-2 is taken off its line\n"]
        )
