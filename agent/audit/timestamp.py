"""Time stamps by somebody else (RFC 3161): that the first seal of a day was there at that time.

Stamped is the hash of the seal, so `openssl ts -verify -digest` can check a token by itself.
"""

import asyncio
import base64
import importlib
import logging
import ssl
import time
from typing import Any

import orjson

from agent.audit.evidence import Item
from agent.metering.amount import NS_PER_S
from agent.record import AGENT, EVIDENCE
from agent.scribe import Scribe
from agent.store import canonical

_log = logging.getLogger(__name__)

STAMPED = "timestamp"
"""Name under which the store keeps the last day (days since 1970, UTC) whose seal was stamped."""
_TIMEOUT_S = 20.0
_RETRY_S = 600.0
_MOST_BYTES = 1 << 16
_DAY_NS = 86400 * NS_PER_S
_MISSING = "time stamps need the extra 'timestamp': install it with `pip install 'energy-agent[timestamp]'`"


class StampError(Exception):
    """Raised when a seal gets no time stamp; its text says why."""


class Stamper:
    """Has the first seal of each UTC day stamped, where a server is configured."""

    def __init__(self, url: str | None, scribe: Scribe) -> None:
        self._url = url
        self._scribe = scribe
        self._seal: bytes | None = None
        self._tried = -_RETRY_S
        self._said = ""

    def sealed(self, seal: bytes) -> None:
        """Take note of a seal; of a day that has a stamp already it needs none."""
        if self._url and self._seal is None and self._day_of(self._scribe.keeper.now_ns()) != self._stamped_day():
            self._seal = seal

    async def turn(self, now_ns: int) -> None:
        """Have the seal that waits stamped; after a failure it is tried again later."""
        seal = self._seal
        if seal is None or self._url is None or time.monotonic() - self._tried < _RETRY_S:
            return
        self._tried = time.monotonic()
        body = orjson.loads(seal)
        try:
            token = await _stamp(self._url, canonical(body), body["hash"])
        except StampError as error:
            if str(error) != self._said:
                _log.warning("%s: %s; tried again every ten minutes", self._url, error)
            self._said = str(error)
            return
        self._said, self._seal, self._tried = "", None, -_RETRY_S
        item = Item("timestamp", self._url, {"seal": body["hash"], "token": base64.b64encode(token).decode()})
        store = self._scribe.store
        with store.transaction():
            self._scribe.record(EVIDENCE, AGENT, now_ns, item.body(self._scribe.site, now_ns))
            store.save_state(STAMPED, b"%d" % self._day_of(now_ns))

    def _stamped_day(self) -> int:
        return int(self._scribe.store.load_state(STAMPED) or -1)

    @staticmethod
    def _day_of(now_ns: int) -> int:
        return now_ns // _DAY_NS


async def _stamp(url: str, content: bytes, digest: str) -> bytes:
    """Return the token of a server over `content`, whose digest is given; raise StampError when there is none."""
    # Loaded only where it is wanted: it is an extra, and takes memory.
    try:
        library = importlib.import_module("rfc3161_client")
    except ImportError as error:
        raise StampError(_MISSING) from error
    request = library.TimestampRequestBuilder().data(content).hash_algorithm(library.HashAlgorithm.SHA256).build()
    answer = await _posted(url, request.as_bytes())
    try:
        response = library.decode_timestamp_response(answer)
        granted = response.status in {library.PKIStatus.GRANTED, library.PKIStatus.GRANTED_WITH_MODS}
    except ValueError as error:
        raise StampError("what the server answers is no time stamp: check timestamp_url") from error
    if not granted:
        raise StampError(f"the server refuses: {' '.join(response.status_string) or f'status {response.status}'}")
    return _token(response, request, bytes.fromhex(digest.removeprefix("sha256:")))


def _token(response: Any, request: Any, wanted: bytes) -> bytes:
    """Return the token of a response that belongs to the request; raise StampError for any other."""
    found = response.tst_info
    if bytes(found.message_imprint.message) != wanted or found.nonce != request.nonce:
        raise StampError("the server has stamped something else")
    token: bytes = response.time_stamp_token()
    return token


async def _posted(url: str, request: bytes) -> bytes:
    from agent.web import ClientError, ClientSession, ClientTimeout  # noqa: PLC0415 -- as above

    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    timeout = ClientTimeout(total=_TIMEOUT_S)
    # Made anew for each: once a day is rare, and a context with all authorities takes half a megabyte.
    trusting = await asyncio.to_thread(ssl.create_default_context) if url.startswith("https:") else True
    try:
        async with (
            ClientSession(timeout=timeout) as client,
            client.post(url, data=request, headers=headers, ssl=trusting, allow_redirects=False) as answer,
        ):
            if answer.status != 200:  # noqa: PLR2004 -- HTTP's "OK"
                raise StampError(f"the server answers HTTP {answer.status}")
            return await answer.content.read(_MOST_BYTES)
    except TimeoutError as error:
        raise StampError("the server does not answer: check timestamp_url and the network") from error
    except ClientError as error:
        raise StampError(f"the server cannot be reached ({error}): check timestamp_url and the network") from error
