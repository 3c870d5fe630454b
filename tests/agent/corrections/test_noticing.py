"""What is said of a folder of which the kernel tells, and of one of which it does not."""

from pathlib import Path

import pytest

from agent.corrections import noticing
from agent.corrections.noticing import Folder


def looked_at(path: Path) -> Folder:
    folder = Folder(path)
    assert folder.may_have_more(), "nobody has looked yet"
    folder.watch()
    return folder


def test_a_folder_has_no_more_until_something_is_put_there(tmp_path: Path) -> None:
    folder = looked_at(tmp_path)
    assert not folder.may_have_more()

    (tmp_path / "draft").write_text("x")
    assert folder.may_have_more()
    folder.watch()
    assert not folder.may_have_more()

    (tmp_path / "draft").rename(tmp_path / "request")
    assert folder.may_have_more()


def test_what_comes_between_watching_and_looking_is_looked_at_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.watch()
    (tmp_path / "request").touch()

    assert folder.may_have_more()


def test_a_folder_that_is_another_one_by_now_is_watched_from_the_next_look_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "state"
    place.mkdir()
    folder = looked_at(place)
    place.rename(tmp_path / "before")
    place.mkdir()
    with monkeypatch.context() as later:
        later.setattr(noticing, "_UNTOLD_S", 0.0)
        assert folder.may_have_more()
    folder.watch()
    (place / "request").touch()

    assert folder.may_have_more()


def test_a_folder_that_cannot_be_watched_may_always_have_more(tmp_path: Path) -> None:
    folder = looked_at(tmp_path / "missing")

    assert folder.may_have_more()
    assert folder.may_have_more()


def test_where_nothing_can_be_watched_every_folder_may_always_have_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticing, "_libc", object())

    assert looked_at(tmp_path).may_have_more()
