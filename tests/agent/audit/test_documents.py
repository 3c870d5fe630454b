"""Documents by digest: kept once, whole, and never handed out changed."""

import hashlib
from pathlib import Path

import pytest

from agent.audit.documents import Documents


def test_a_document_comes_back_by_its_digest(tmp_path: Path) -> None:
    documents = Documents(tmp_path / "audit" / "documents")
    digest = documents.keep(b"[site]\n")

    assert digest == "sha256:" + hashlib.sha256(b"[site]\n").hexdigest()
    assert documents.find(digest) == b"[site]\n"
    assert documents.keep(b"[site]\n") == digest
    assert [file.name for file in documents.folder.iterdir()] == [digest.removeprefix("sha256:")]


def test_a_document_that_was_changed_is_none_and_is_kept_anew(tmp_path: Path) -> None:
    documents = Documents(tmp_path)
    digest = documents.keep(b"factor = 1")
    documents.path(digest).write_bytes(b"factor = 2")
    assert documents.find(digest) is None

    documents.keep(b"factor = 1")

    assert documents.find(digest) == b"factor = 1"


def test_what_is_no_digest_is_no_path(tmp_path: Path) -> None:
    documents = Documents(tmp_path)
    assert documents.find("sha256:" + "0" * 64) is None
    for wrong in ("", "../../etc/passwd", "sha256:" + "g" * 64, "sha256:../x"):
        with pytest.raises(ValueError, match="no digest"):
            documents.find(wrong)


def test_nothing_half_written_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = Documents(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        documents.keep(b"content")

    assert [*tmp_path.iterdir()] == []
