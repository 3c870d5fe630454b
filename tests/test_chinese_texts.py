import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("agent", "drivers", "simulators")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PROFILES = sorted((ROOT / "drivers").rglob("*.toml"))
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff] ?[(),;:!?]|(?<!\(\d\d)[(),;:!?] ?[\u4e00-\u9fff]")
"""Punctuation of English next to a Chinese character, which a Chinese reader takes for a slip; a document's year such
as (83) is none."""


def texts(module: Path) -> Iterator[str]:
    """Return every text that a module shows to somebody, a filled-in one in its parts; not what it says of itself."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    of_itself = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in of_itself:
            yield node.value


def slips(text: str) -> list[str]:
    return HALF_WIDTH.findall(text)


def test_half_width_punctuation_beside_chinese_is_found() -> None:
    assert slips("通信中断(line-1") == ["断("]
    assert slips("),请检查磁盘") == [",请"]
    assert slips("fan-1 通信中断（unit 3: no reply），请检查") == []  # noqa: RUF001 -- as it should be


@pytest.mark.parametrize("package", PACKAGES)
def test_chinese_texts_have_chinese_punctuation(package: str) -> None:
    modules = [module for module in MODULES if module.relative_to(ROOT).parts[0] == package]

    assert modules
    assert {str(module): found for module in modules if (found := slips("\n".join(texts(module))))} == {}


def test_chinese_texts_of_profiles_have_chinese_punctuation() -> None:
    assert PROFILES
    assert {str(profile): found for profile in PROFILES if (found := slips(profile.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        # 账户 is an account, 账簿 the books that the agent keeps of it; 账目 was said of both.
        ("账户", "账目"),
        # 区间 is an interval of account; 时段 is a period of the tariff, or any time.
        ("区间", "时段记录"),
        ("区间", "计量时段"),
        ("区间", "计量间隔"),
    ],
)
def test_what_is_accounted_for_has_one_name_in_chinese(right: str, wrong: str) -> None:
    shown = [*ROOT.glob("*.zh-CN.md"), *ROOT.glob("d*/**/*.zh-CN.md"), *MODULES, *PROFILES, *ROOT.glob("deploy/*.toml")]

    assert [f"{path}: say {right}" for path in shown if wrong in path.read_text(encoding="utf-8")] == []


def test_the_program_is_not_called_a_proxy_in_chinese() -> None:
    # 代理 alone reads as a proxy, of which some texts speak.
    agent = re.compile(r"(?<!反向)代理(?!服务器|和镜像)")
    shown = [*ROOT.glob("*.zh-CN.md"), *ROOT.glob("d*/**/*.zh-CN.md"), *MODULES, *PROFILES, *ROOT.glob("deploy/*.toml")]

    assert [f"{path}: say 程序" for path in shown if agent.search(path.read_text(encoding="utf-8"))] == []
