"""The key of the seals: made once, readable by nobody else, refused where it proves nothing."""

import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.audit.key_file import KeyFileError, load_key, own_key


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "key.pem"
    first, again = own_key(path), own_key(path)
    loaded = load_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.public == again.public == loaded.public_key().public_bytes_raw()
    assert [file.name for file in path.parent.iterdir()] == ["key.pem"]
    assert path.read_bytes() == loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_key_made_by_openssl_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", str(path))
    path.chmod(0o400)

    assert len(load_key(path).public_key().public_bytes_raw()) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601, 0o610, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    own_key(path)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match=rf"key\.pem: the key can be read by others \(mode 0{mode:o}\)"):
        own_key(path)


def test_a_credential_of_systemd_may_show_rights_of_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It grants them to the service's user by an access list."""
    path = tmp_path / "seal-key"
    own_key(path)
    path.chmod(0o440)
    with pytest.raises(KeyFileError):
        load_key(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    load_key(path)
    path.chmod(0o444)
    with pytest.raises(KeyFileError, match="by others"):
        load_key(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no private key in PEM"),
        (b"\xff\x00 nonsense", "holds no private key in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no private key in PEM"),
    ],
)
def test_what_is_no_key_is_said_so_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(KeyFileError, match=said) as caught:
        load_key(path)
    assert "\n" not in str(caught.value)


def test_keys_of_other_kinds_and_encrypted_ones_are_refused(tmp_path: Path) -> None:
    other, locked = tmp_path / "other.pem", tmp_path / "locked.pem"
    openssl("genpkey", "-algorithm", "x25519", "-out", str(other))
    openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret", "-out", str(locked))
    for path in (other, locked):
        path.chmod(0o600)

    with pytest.raises(KeyFileError, match="of another kind"):
        load_key(other)
    with pytest.raises(KeyFileError, match="is encrypted"):
        load_key(locked)


def test_a_key_that_is_given_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        load_key(tmp_path / "nothing.pem")
    with pytest.raises(KeyFileError, match="cannot be read"):
        load_key(tmp_path)
