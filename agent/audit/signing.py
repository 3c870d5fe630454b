"""Ed25519 signatures by the OpenSSL that Python itself has loaded for TLS.

The library `cryptography` brings an OpenSSL of its own, 10 MB of memory for one signature an hour. It signs where
Python's is built in, or does not know Ed25519. Both sign alike: a signature by Ed25519 follows from key and content.

Sources: RFC 8032; EVP_PKEY_new(3ssl), EVP_DigestSignInit(3ssl), EVP_SIGNATURE-ED25519(7ssl).
"""

import base64
import ctypes
from collections.abc import Callable
from types import MappingProxyType

from drivers.value import frozen

SEED_BYTES = 32
PREFIX = "ed25519:"
"""Before the Base64 of a public key."""
_PUBLIC_BYTES, _SIGNATURE_BYTES = 32, 64
_EVP_PKEY_ED25519 = 1087
_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_FUNCTIONS = MappingProxyType(
    {
        "EVP_PKEY_new_raw_private_key": (_POINTER, (ctypes.c_int, _POINTER, ctypes.c_char_p, _SIZE)),
        "EVP_PKEY_get_raw_public_key": (ctypes.c_int, (_POINTER, _POINTER, _POINTER)),
        "EVP_PKEY_free": (None, (_POINTER,)),
        "EVP_MD_CTX_new": (_POINTER, ()),
        "EVP_DigestSignInit": (ctypes.c_int, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
        "EVP_DigestSign": (ctypes.c_int, (_POINTER, _POINTER, _POINTER, ctypes.c_char_p, _SIZE)),
        "EVP_MD_CTX_free": (None, (_POINTER,)),
    }
)
"""What is returned and taken, as `openssl/evp.h` declares it."""


@frozen
class SigningKey:
    """A private key: its public one (32 bytes), and what signs content with it (64 bytes)."""

    public: bytes
    sign: Callable[[bytes], bytes]

    @property
    def text(self) -> str:
        """The public key as `ed25519:<base64>`."""
        return PREFIX + base64.b64encode(self.public).decode()


def signing_key(seed: bytes) -> SigningKey:
    """Return the key of a seed, the 32 bytes that RFC 8032 calls the private key."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a private key has {SEED_BYTES} bytes, not {len(seed)}")
    return by_openssl(seed) or by_cryptography(seed)


def by_openssl(seed: bytes) -> SigningKey | None:
    """Return a key that Python's OpenSSL signs with; None where that cannot be reached or cannot do it."""
    try:
        openssl = _Openssl()
    except (ImportError, AttributeError, OSError):  # Python has none, or has it built in
        return None
    public = openssl.public(seed)
    return SigningKey(public, lambda content: openssl.signature(seed, content)) if public else None


def by_cryptography(seed: bytes) -> SigningKey:
    """Return a key that the library `cryptography` signs with."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 -- see above

    key = Ed25519PrivateKey.from_private_bytes(seed)
    return SigningKey(key.public_key().public_bytes_raw(), key.sign)


class _Openssl:
    """The functions of OpenSSL that a signature takes."""

    def __init__(self) -> None:
        import _ssl  # noqa: PLC0415 -- a Python without TLS has none

        library = ctypes.CDLL(_ssl.__file__)  # what that is linked with is searched too: dlsym(3)
        self._call = {name: getattr(library, name) for name in _FUNCTIONS}
        for name, (returned, taken) in _FUNCTIONS.items():
            self._call[name].restype, self._call[name].argtypes = returned, taken

    def public(self, seed: bytes) -> bytes | None:
        """Return the public key of a seed; None when OpenSSL does not do it."""
        call, found, size = self._call, ctypes.create_string_buffer(_PUBLIC_BYTES), _SIZE(_PUBLIC_BYTES)
        key = call["EVP_PKEY_new_raw_private_key"](_EVP_PKEY_ED25519, None, seed, len(seed))
        done = key and call["EVP_PKEY_get_raw_public_key"](key, found, ctypes.byref(size))
        call["EVP_PKEY_free"](key)
        return found.raw if done == 1 and size.value == _PUBLIC_BYTES else None

    def signature(self, seed: bytes, content: bytes) -> bytes:
        """Return the signature of content; raise RuntimeError when OpenSSL fails, as for want of memory."""
        call, found, size = self._call, ctypes.create_string_buffer(_SIGNATURE_BYTES), _SIZE(_SIGNATURE_BYTES)
        key = call["EVP_PKEY_new_raw_private_key"](_EVP_PKEY_ED25519, None, seed, len(seed))
        context = call["EVP_MD_CTX_new"]()
        begun = key and context and call["EVP_DigestSignInit"](context, None, None, None, key)
        done = begun == 1 and call["EVP_DigestSign"](context, found, ctypes.byref(size), content, len(content))
        call["EVP_MD_CTX_free"](context)
        call["EVP_PKEY_free"](key)
        if done != 1 or size.value != _SIGNATURE_BYTES:
            raise RuntimeError("OpenSSL did not sign")
        return found.raw
