import hashlib
import inspect
import os
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from drivers.checked import check
from drivers.declared import Table, key
from drivers.document import Document, DocumentError, nearest

TEXT = """\
# a comment with [brackets] and "quotes"
name = "works"   # trailing
list = [
  1,  # first
  { deep = "x" },
]
text = \"\"\"
[not.a.table]
k = 1 \\\"\"\" still text
\"\"\"
literal = '''
a = "b" '''
when = 2026-11-20 08:00:00

[site]
"odd key" . inner = 1
inline = { a = 1, b = { c = [2, 3] } }

[[line]]
name = "first"

[[line]]
name = "second"
  [[line.tap]]
  depth = 1
[line.extra]
z = 0
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("name",), 2),
        (("list", 0), 4),
        (("list", 1, "deep"), 5),
        (("text",), 7),
        (("literal",), 11),
        (("when",), 13),
        (("site",), 15),
        (("site", "odd key", "inner"), 16),
        (("site", "inline", "b", "c", 1), 17),
        (("line", 0), 19),
        (("line", 0, "name"), 20),
        (("line", 1, "name"), 23),
        (("line", 1, "tap", 0, "depth"), 25),
        (("line", 1, "extra", "z"), 27),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_key_knows_its_line(keys: tuple[str | int, ...], line: int, ending: str) -> None:
    document = Document("f.toml", TEXT.replace("\n", ending))

    assert document.line(*keys) == line


def test_a_key_that_is_not_there_is_placed_at_what_surrounds_it() -> None:
    document = Document("f.toml", TEXT)

    assert document.line("line", 1, "no such key") == 22
    assert document.line("nowhere") == 1


def test_a_syntax_error_names_its_line() -> None:
    with pytest.raises(DocumentError) as caught:
        Document("f.toml", "a = 1\nb = { = 2\n")

    assert str(caught.value) == "f.toml:2: not valid TOML: Invalid initial character for a key part: correct the syntax"


@pytest.mark.parametrize("value", ["motor-1", "“motor-1”"])
def test_text_without_quotes_or_in_those_of_a_word_processor_is_told_what_it_stands_in(value: str) -> None:
    with pytest.raises(DocumentError) as caught:
        Document("f.toml", f"a = 1\nname = {value}\n")

    assert str(caught.value) == (
        'f.toml:2: not valid TOML: Invalid value: correct the syntax; text stands in straight quotes: "…"'
    )


def test_a_table_in_single_brackets_that_stands_twice_is_told_of_the_double_ones() -> None:
    with pytest.raises(DocumentError) as caught:
        Document("f.toml", "[device]\na = 1\n[device]\na = 2\n")

    assert str(caught.value) == "f.toml:3: [device] stands twice: keep one, or write [[device]] for each of several"


def test_a_text_that_ends_too_early_is_placed_at_its_end() -> None:
    with pytest.raises(DocumentError) as caught:
        Document("f.toml", 'a = 1\nb = """never closed\n')

    assert caught.value.problem.line == 3


def test_files_that_cannot_be_read_give_one_clear_line(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes("name = 'Öl'".encode("latin-1"))
    seen = []
    for path in (tmp_path / "none.toml", tmp_path, latin):
        with pytest.raises(DocumentError) as caught:
            Document.load(path)
        seen.append(str(caught.value).replace(str(tmp_path), "DIR"))

    assert seen == [
        "DIR/none.toml: cannot be read (No such file or directory): check path and rights",
        "DIR: cannot be read (Is a directory): check path and rights",
        "DIR/latin.toml: is not UTF-8 text: save it as UTF-8",
    ]


def test_what_never_ends_or_is_no_document_in_size_is_refused_unread(tmp_path: Path) -> None:
    pipe, large, full = tmp_path / "pipe.toml", tmp_path / "large.toml", tmp_path / "full.toml"
    os.mkfifo(pipe)
    large.write_bytes(b"#" * 1_000_001)
    full.write_bytes(b"#" * 1_000_000)
    seen = []
    for path in (Path("/dev/null"), pipe, large):
        with pytest.raises(DocumentError) as caught:
            Document.load(path)
        seen.append(str(caught.value).replace(str(tmp_path), "DIR"))

    assert seen == [
        "/dev/null: is no regular file: name a TOML file",
        "DIR/pipe.toml: is no regular file: name a TOML file",
        "DIR/large.toml: is larger than 1 MB: check that it is the file you mean",
    ]
    assert Document.load(full).data == {}


def test_a_byte_order_mark_does_not_matter_but_counts_in_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_bytes(b"\xef\xbb\xbfa = '\xe9\x94\x85\xe7\x82\x89'\r\n")

    document = Document.load(path)

    assert document.data == {"a": "锅炉"}
    assert document.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


class Inner(Table):
    depth: int = key(ge=0)


class Outer(Table):
    name: str
    inner: Inner | None = None
    many: list[Inner] = key([])


class InnerModel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = Field(ge=0)


class OuterModel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: InnerModel | None = None
    many: list[InnerModel] = []  # pydantic copies it


@pytest.mark.parametrize("kind", [Outer, OuterModel])
def test_a_table_shows_every_problem_at_its_place(kind: type[Outer | OuterModel]) -> None:
    document = Document("f.toml", "nam = 'x'\n[inner]\ndepht = 1\n[[many]]\ndepth = -1\n")

    _, problems = check(document, kind, document.data)

    assert sorted(str(problem) for problem in problems) == [
        "f.toml:1: 'name' is missing: add it",
        "f.toml:1: unknown key 'nam': did you mean 'name'?",
        "f.toml:2: 'depth' is missing in [inner]: add it",
        "f.toml:3: unknown key 'depht' in [inner]: did you mean 'depth'?",
        "f.toml:5: many.depth: -1 is too little: use 0 or more",
    ]


@pytest.mark.parametrize("kind", [Outer, OuterModel])
def test_a_part_of_a_document_is_checked_at_its_place(kind: type[Outer | OuterModel]) -> None:
    document = Document("f.toml", "[[device]]\nname = 'a'\n[[device]]\nname = 'b'\ncolour = 1\ninner = 5\n")

    _, problems = check(document, kind, document.data["device"][1], "device", 1)

    assert sorted(str(problem) for problem in problems) == [
        "f.toml:5: unknown key 'colour' in [device]: known: inner, many, name",
        "f.toml:6: device.inner: must be a table: write { key = value }",
    ]


def test_the_nearest_words_are_named_whatever_their_case() -> None:
    assert nearest("KWH", ["kWh", "kW", "V"]) == "did you mean 'kWh' or 'kW'?"


def test_without_a_near_word_the_known_ones_are_listed() -> None:
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", []) == ""


def test_lines_of_what_is_nested_too_deeply_to_be_found_again_are_the_first() -> None:
    document = Document("a.toml", f"\nkey = {'[' * 90}{']' * 90}\n")

    def asked_from(depth: int) -> int:
        return asked_from(depth - 1) if depth else document.line("key")

    assert asked_from(sys.getrecursionlimit() - len(inspect.stack()) - 60) == 1
