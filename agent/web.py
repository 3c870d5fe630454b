"""aiohttp's client, loaded without the certificates of the system's authorities.

On import it makes two TLS contexts with all of them, for clients that give none: 1.6 MB and 35 ms. Ours always gives
its own, so these trust nobody: a connection that would use them by mistake fails.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for authorities: see SSL_CTX_load_verify_locations(3)."""


@contextmanager
def _without_authorities() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _PLACES}
    os.environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _without_authorities():
    from aiohttp import ClientError, ClientSession, ClientTimeout

__all__ = ["ClientError", "ClientSession", "ClientTimeout"]
