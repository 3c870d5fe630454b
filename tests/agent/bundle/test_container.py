"""The container of a bundle: every bit of it matters, and what is wrong is named by its place."""

import errno
import gzip
import hashlib
import io
import random
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.public_key import given_key, public_text
from agent.bundle.form import BLOCK, END, MANIFEST, SIGNATURE, SUMS, BundleError, Manifest, header, padding
from agent.bundle.inspect import Finding, inspect, is_bundle
from agent.bundle.write import Content, write_bundle

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HEAD = {"site": "hefei-works", "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
CONTENTS: Mapping[str, Content] = {
    "index.html": "<h1>合肥</h1>".encode() * 40,
    "records/records.jsonl": b'{"seq":1}\n' * 100,
    "captures/empty.pcapng.zst": b"",
    "documents/configuration": b"x" * BLOCK,
}
FLIPS = 2000


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.tar"
    write_bundle(path, CONTENTS, HEAD, KEY)
    return path


def _found(path: Path, content: bytes) -> list[Finding]:
    path.write_bytes(content)
    return inspect(path).findings


def _parts(content: bytes) -> dict[str, bytes]:
    """Return each member with its head and padding, as another program finds them."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
    ends = [*(member.offset for member in members[1:]), len(content) - len(END)]
    return {member.name: content[member.offset : end] for member, end in zip(members, ends, strict=True)}


def _joined(parts: Mapping[str, bytes] | list[bytes]) -> bytes:
    return b"".join(parts.values() if isinstance(parts, Mapping) else parts) + END


def _places(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the end of each part of the file, and a word that must stand in what is said of it."""
    end = 0
    for name, part in _parts(content).items():
        end += len(part)
        yield end, name
    yield len(content), "end of the archive"


def test_a_whole_bundle_has_nothing_wrong_and_reads_back(bundle: Path) -> None:
    inspection = inspect(bundle)
    assert inspection.findings == []
    assert {path: inspection.read(path) for path in CONTENTS} == CONTENTS
    assert inspection.manifest is not None
    assert inspection.manifest.head["site"] == "hefei-works"


def test_the_same_contents_make_the_same_bundle_to_the_last_byte(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    write_bundle(other, {**CONTENTS, "index.html": io.BytesIO(CONTENTS["index.html"])}, HEAD, KEY)  # type: ignore[arg-type]
    assert other.read_bytes() == bundle.read_bytes()


def test_every_flipped_bit_is_found_and_its_place_is_named(bundle: Path, tmp_path: Path) -> None:
    content = bundle.read_bytes()
    places = list(_places(content))
    chance, missed, damaged = random.Random(7), [], tmp_path / "damaged.tar"  # noqa: S311 -- where to damage
    for _ in range(FLIPS):
        bit = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        name = next(name for end, name in places if bit // 8 < end)
        findings = _found(damaged, bytes(flipped))
        if len(findings) != 1 or name not in findings[0].place:
            missed.append((bit // 8, name, findings))
    assert missed == []


@pytest.mark.parametrize("name", [SUMS, SIGNATURE, MANIFEST, *CONTENTS, "public-key.pem"])
def test_a_removed_member_is_missed_by_name(bundle: Path, name: str) -> None:
    parts = _parts(bundle.read_bytes())
    del parts[name]
    assert any(name in finding.place for finding in _found(bundle, _joined(parts)))


@pytest.mark.parametrize("name", [SUMS, SIGNATURE, MANIFEST, *CONTENTS, "public-key.pem"])
def test_a_member_that_stands_there_twice_is_named(bundle: Path, name: str) -> None:
    parts = _parts(bundle.read_bytes())
    doubled = [part for own, part in parts.items() for _ in range(2 if own == name else 1)]
    findings = _found(bundle, _joined(doubled))
    assert findings
    assert any(name in f"{finding}" or "end of the archive" in finding.place for finding in findings)


def test_swapped_members_are_named(bundle: Path) -> None:
    parts = _parts(bundle.read_bytes())
    order = ["records/records.jsonl", "index.html"]
    swapped = {name: parts[name] for name in (SUMS, SIGNATURE, MANIFEST, *order, *parts)}
    findings = _found(bundle, _joined(swapped))
    assert [finding.place for finding in findings] == ["index.html"]
    assert "'records/records.jsonl' stands in its place" in findings[0].what


def test_swapped_contents_of_two_members_are_named(bundle: Path) -> None:
    parts = _parts(bundle.read_bytes())
    one, other = parts["records/records.jsonl"], parts["index.html"]
    parts["records/records.jsonl"], parts["index.html"] = one[:BLOCK] + other[BLOCK:], other[:BLOCK] + one[BLOCK:]
    assert _found(bundle, _joined(parts))[0].place.startswith("index.html")


def test_a_member_that_nobody_signed_is_named(bundle: Path) -> None:
    parts = list(_parts(bundle.read_bytes()).values())
    added = header("records/more.jsonl", 3) + b"{}\n" + bytes(padding(3))
    assert _found(bundle, _joined([*parts[:4], added, *parts[4:]]))[0].place == "records/more.jsonl"


def test_bytes_behind_the_end_and_a_file_that_ends_early_are_found(bundle: Path) -> None:
    content = bundle.read_bytes()
    assert "end of the archive" in _found(bundle, content + b"\0")[0].place
    assert _found(bundle, content[:-1])
    assert "documents/configuration" in _found(bundle, content[: content.index(b"x" * BLOCK) + 5])[0].place


def test_of_an_archive_that_was_cut_each_file_that_lacks_is_named_once(bundle: Path) -> None:
    parts = _parts(bundle.read_bytes())
    places = [finding.place for finding in _found(bundle, _joined({name: parts[name] for name in list(parts)[:5]}))]
    assert len(places) == len(set(places)) > 2


def test_a_list_signed_with_another_key_is_found(bundle: Path) -> None:
    content = bundle.read_bytes()
    parts = _parts(content)
    signed = Ed25519PrivateKey.generate().sign(_content(parts[SUMS]))
    parts[SIGNATURE] = header(SIGNATURE, 64) + signed + bytes(padding(64))
    assert [finding.place for finding in _found(bundle, _joined(parts))] == [SIGNATURE]


def _content(part: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(part + END)) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        assert file is not None
        return file.read()


def test_a_changed_member_with_list_and_manifest_made_anew_is_found_by_the_signature(bundle: Path) -> None:
    parts = _parts(bundle.read_bytes())
    forged = b'{"seq":2}\n' * 100
    parts["records/records.jsonl"] = header("records/records.jsonl", len(forged)) + forged + bytes(padding(len(forged)))
    manifest = inspect(bundle).manifest
    assert manifest is not None
    members = [
        type(each)(each.path, each.size, hashlib.sha256(forged).hexdigest()) if "records" in each.path else each
        for each in manifest.members
    ]
    encoded = Manifest(manifest.head, tuple(members)).encode()
    sums = Manifest(manifest.head, tuple(members)).sums(hashlib.sha256(encoded).hexdigest())
    parts[MANIFEST] = header(MANIFEST, len(encoded)) + encoded + bytes(padding(len(encoded)))
    parts[SUMS] = header(SUMS, len(sums)) + sums + bytes(padding(len(sums)))
    assert [finding.place for finding in _found(bundle, _joined(parts))] == [SIGNATURE]


def test_tar_sha256sum_and_openssl_check_a_bundle_by_hand(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    check = f"openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in {SUMS} -sigfile {SIGNATURE}"
    for command in (f"tar -xf {bundle}", f"sha256sum --strict -c {SUMS}", check):
        done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout


def _packed_again(bundle: Path, folder: Path, changed: Mapping[str, bytes] | None = None) -> Path:
    """Return what tar makes of the files of a bundle, some of them changed."""
    target, unpacked = folder / "again.tar", folder / "unpacked"
    with tarfile.open(bundle) as archive:
        archive.extractall(unpacked, filter="data")
    for name, content in (changed or {}).items():
        (unpacked / name).write_bytes(content)
    with tarfile.open(target, "w") as archive:
        archive.add(unpacked, "evidence")
    return target


@pytest.mark.parametrize("name", ["index.html", "records/records.jsonl", SUMS, SIGNATURE, MANIFEST])
def test_of_files_packed_again_those_that_were_changed_are_named(bundle: Path, tmp_path: Path, name: str) -> None:
    found = inspect(_packed_again(bundle, tmp_path, {name: b"another"})).findings
    assert found[0].place in (name, MANIFEST)
    assert name in " ".join(map(str, found[:-1]))
    assert "packed again" in found[-1].what


def test_files_added_before_they_were_packed_again_are_named(bundle: Path, tmp_path: Path) -> None:
    assert inspect(_packed_again(bundle, tmp_path, {"added": b""})).findings[0] == Finding(
        "added", "is not in the manifest"
    )


def test_files_packed_again_unchanged_are_said_to_be_what_was_signed(bundle: Path, tmp_path: Path) -> None:
    (found,) = inspect(_packed_again(bundle, tmp_path)).findings
    assert SUMS in found.place
    assert found.what.endswith("the files in it are those that were signed")


def test_a_compressed_bundle_is_to_be_unpacked_first(bundle: Path, tmp_path: Path) -> None:
    mailed = tmp_path / "bundle.tar.gz"
    mailed.write_bytes(gzip.compress(bundle.read_bytes()))
    with pytest.raises(BundleError, match=r"is compressed \(gzip\)"):
        inspect(mailed)


def test_a_path_that_leads_out_of_the_folder_is_no_member(bundle: Path) -> None:
    manifest = inspect(bundle).manifest
    assert manifest is not None
    for path in ("../evil", "/etc/passwd", "a//b", "a/./b", ".hidden", "x" * 101, MANIFEST):
        members = (type(manifest.members[0])(path, 1, "0" * 64),)
        with pytest.raises(BundleError, match="cannot be"):
            Manifest.parse(Manifest(manifest.head, members).encode())


def test_a_full_disk_is_one_line_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BundleError, match=r"no space is left.*--out"):
        write_bundle(tmp_path / "bundle.tar", CONTENTS, HEAD, KEY)
    assert list(tmp_path.iterdir()) == []


def test_what_stands_there_already_is_never_written_over(bundle: Path) -> None:
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(bundle, CONTENTS, HEAD, KEY)


@pytest.mark.parametrize("leads_to", ["nowhere", "link.tar"], ids=["nowhere", "itself"])
def test_a_link_that_leads_nowhere_stands_there_already(tmp_path: Path, leads_to: str) -> None:
    link = tmp_path / "link.tar"
    link.symlink_to(leads_to)
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(link, CONTENTS, HEAD, KEY)
    assert link.is_symlink()


def test_a_capture_that_was_removed_meanwhile_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"gone\.zst: was removed"):
        write_bundle(tmp_path / "bundle.tar", {"captures/gone.zst": tmp_path / "gone.zst"}, HEAD, KEY)


@pytest.mark.parametrize("content", [bytes(range(256)) * 8, bytes(2000), b"\0"], ids=["binary", "zeros", "a byte"])
def test_any_other_file_is_said_to_be_no_bundle(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(content)
    with pytest.raises(BundleError, match=r"other\.bin: is no bundle, nor a configuration: give the \.tar"):
        inspect(other)


def test_of_a_bundle_whose_beginning_is_lost_it_is_said_where_it_is_damaged(bundle: Path) -> None:
    with bundle.open("r+b") as file:
        file.write(bytes(512))
    assert [each.place for each in inspect(bundle).findings] == ["head of SHA256SUMS (byte 0 to 511)"]


def test_a_configuration_is_no_bundle(bundle: Path, tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text("[site]\nname = 'hefei-works'\n", encoding="utf-8")
    assert is_bundle(bundle)
    assert not is_bundle(config)


def test_a_key_is_given_as_text_or_file(bundle: Path, tmp_path: Path) -> None:
    text = public_text(KEY.public_key())
    pem = tmp_path / "key.pem"
    pem.write_bytes(inspect(bundle).read("public-key.pem"))
    assert given_key(text) == given_key(text.removeprefix("ed25519:")) == given_key(str(pem)) == text
    for wrong in ("ed25519:AAAA", str(bundle), "nothing"):
        with pytest.raises(ValueError, match="give ed25519"):
            given_key(wrong)


def test_of_very_many_members_one_that_moved_is_named_in_one_pass(tmp_path: Path) -> None:
    count = 20_000  # compared one by one, they would be four hundred million pairs
    bundle = tmp_path / "many.tar"
    write_bundle(bundle, {f"captures/{number:05}": b"" for number in range(count)}, HEAD, KEY)
    content = bundle.read_bytes()
    one, other = (content.index(header(f"captures/{number:05}", 0)) for number in (0, 1))
    swapped = bytearray(content)
    swapped[one : one + BLOCK], swapped[other : other + BLOCK] = (
        content[other : other + BLOCK],
        content[one : one + BLOCK],
    )
    (found,) = _found(bundle, bytes(swapped))
    assert str(found) == "captures/00000: 'captures/00001' stands in its place"
