"""Signatures are those of Ed25519, whoever makes them."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.audit.key_file import load_key, load_signing_key
from agent.audit.signing import SigningKey, by_cryptography, by_openssl, signing_key

VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
"""Of RFC 8032, section 7.1: secret key, public key, message, signature."""


def openssl_key(seed: bytes) -> SigningKey:
    key = by_openssl(seed)
    assert key is not None, "this Python's OpenSSL cannot be reached"
    return key


@pytest.mark.parametrize("make", [openssl_key, by_cryptography, signing_key])
@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_keys_and_signatures_are_those_of_the_standard(
    make: object, secret: str, public: str, message: str, signature: str
) -> None:
    assert callable(make)
    key = make(bytes.fromhex(secret))

    assert key.public.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature


def test_both_libraries_sign_alike() -> None:
    for number in range(50):
        seed, content = bytes([number, *range(31)]), bytes(number) * number
        ours, theirs = openssl_key(seed), Ed25519PrivateKey.from_private_bytes(seed)

        assert ours.public == theirs.public_key().public_bytes_raw()
        assert ours.sign(content) == theirs.sign(content)


def test_a_python_whose_openssl_cannot_be_reached_signs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise OSError("built in")

    monkeypatch.setattr("ctypes.CDLL", refuse)
    secret, public, message, signature = VECTORS[1]

    assert by_openssl(bytes.fromhex(secret)) is None
    key = signing_key(bytes.fromhex(secret))
    assert (key.public.hex(), key.sign(bytes.fromhex(message)).hex()) == (public, signature)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has 32 bytes, not 31"):
        signing_key(bytes(31))


@pytest.mark.parametrize("outform", ["plain", "with text", "carriage returns"])
def test_a_key_in_whatever_form_signs_as_the_library_does(tmp_path: Path, outform: str) -> None:
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True)
    content = path.read_bytes()
    if outform == "with text":
        path.write_bytes(b"the key of the seals\n" + content + b"\n")
    elif outform == "carriage returns":
        path.write_bytes(content.replace(b"\n", b"\r\n"))
    path.chmod(0o600)

    assert load_signing_key(path).sign(b"content") == load_key(path).sign(b"content")


def test_the_running_agent_does_without_the_large_library(tmp_path: Path) -> None:
    program = """
import sys, pathlib
import agent.service
from agent.audit.key_file import own_key
own_key(pathlib.Path(sys.argv[1])).sign(b"content")
print([name for name in sys.modules if name.startswith("cryptography")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "key.pem")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
