"""What a running agent does so that its records can be proved: evidence, its documents, the key, the seals.

Invariants:

- A document is on the disk before the evidence that names it is told, reloads excepted: there it follows within
  a second, and at the next start if the agent ends before.
- A seal is over committed records only, and is posted once it is committed itself.
- Without a key, or on a disk that fails, everything else goes on: an alarm tells of it, and it is tried again.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from agent.alarms.alarm import Alarm, Severity
from agent.alarms.desk import AlarmDesk
from agent.audit.documents import Documents
from agent.audit.evidence import Item, of_capture, of_configuration, of_key, of_removed, software
from agent.audit.key_file import load_key, load_signing_key, own_key
from agent.audit.sealing import LATEST, seal_body, signer
from agent.audit.timestamp import Stamper
from agent.board import Board
from agent.books.ledger import Ledger
from agent.capturing import Capturing
from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S
from agent.record import AGENT, EVIDENCE, SEAL
from agent.scribe import Scribe
from agent.store import StoreError
from agent.turns import next_turn
from drivers.capture import Closed, Removed

_log = logging.getLogger(__name__)

FOLDER = "audit"
"""Beside the store's file: the key and the documents."""
TOPIC = "agent/seal"
CREDENTIALS = "/run/credentials"
"""Where systemd puts what a service may read, while it runs."""
_TURN_S = 1.0
_RETRY_S = 60.0
_DAY_NS = 86400 * NS_PER_S


class Auditor:
    """Tells what the records rest on, and seals them."""

    def __init__(
        self,
        config: SiteConfig,
        ledger: Ledger,
        *,
        scribe: Scribe,
        board: Board,
        alarms: AlarmDesk,
        capture: Capturing,
    ) -> None:
        """Begin with a configuration, its ledger, and the capture whose files are told of."""
        capture.on_closed, capture.on_removed = self._closed, self._removed
        self.public_key = ""
        """The public key (`ed25519:…`); empty while there is none."""
        self.folder = audit_folder(config)
        self.documents = Documents(self.folder / "documents")
        self._config, self._library = config, ledger.conversions.library
        self._scribe, self._board, self._alarms = scribe, board, alarms
        self._stamper = Stamper(config.audit.timestamp_url, scribe)
        self._untold = deque([(config, self._library)])
        """Configurations that were or are in force, of which nothing was told yet, with their factors."""
        self._program: Item | None = None
        self._told: dict[tuple[str, str], object] = {}
        self._unkept: deque[bytes] = deque()
        self._files: deque[Item] = deque()
        self._begun = False
        """Whether evidence was told in this run."""
        self._day = self._slot = -1
        self._retry = -_RETRY_S
        self._trouble = ""

    def open(self) -> None:
        """Take the key, made at the first start, and post the latest seal; raise KeyFileError for a wrong one."""
        self._take_key()
        latest = self._scribe.store.load_state(LATEST)
        if latest:
            self._board.put(TOPIC, latest)
            before = str(orjson.loads(latest).get("public_key"))
            if self.public_key and before != self.public_key:
                _log.warning(
                    "seals were signed with %s, from now on with %s: if nobody has changed the key, ask who did; "
                    "verify takes the former and the new one by --key",
                    before,
                    self.public_key,
                )

    def figures(self) -> dict[str, Any]:
        """Return what the agent says of its seals: the key, and the time and last record of the latest, if any."""
        latest = self._scribe.store.load_state(LATEST)
        seal = orjson.loads(latest) if latest else {}
        return {"public_key": self.public_key, "sealed": seal.get("time"), "to_seq": seal.get("to_seq")}

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with another configuration or other factors, and tell what of it is new."""
        self._config, self._library = config, ledger.conversions.library
        if not self._begun:
            self._untold.append((config, self._library))  # behind the one before, which records may rest on
        else:
            items = of_configuration(config, self._library)
            self._unkept += _documents(items)
            self._tell(item for item in items if self._told.get((item.what, item.name)) != item.says)

    def _closed(self, file: Closed) -> None:
        """Tell of a capture file that was closed."""
        self._file(of_capture(file))

    def _removed(self, file: Removed) -> None:
        """Tell of a capture file that had to make room."""
        self._file(of_removed(file))

    async def run_for_ever(self, ready: Callable[[], bool]) -> None:
        """Tell and seal whenever it is time and the agent is `ready`, a turn after the start: values go first."""
        while True:
            await next_turn(_TURN_S)
            if ready():
                await self._turn()

    async def finish(self, *, ready: bool) -> None:
        """Seal what has come to be since the last time, at the end of a run."""
        if ready:
            await self._begin(daily=False)
            await self._seal()

    async def _turn(self) -> None:
        if not self.public_key and time.monotonic() - self._retry > _RETRY_S:
            self._take_key()
        now_ns = self._scribe.keeper.now_ns()
        await self._begin(daily=now_ns // _DAY_NS != self._day)
        slot = now_ns // round(self._config.audit.seal_every * NS_PER_S)
        if slot != self._slot and await self._seal():
            self._slot = slot
        await self._stamper.turn(now_ns)

    async def _begin(self, *, daily: bool) -> None:
        """Tell everything once and then each day, and of files that were closed meanwhile."""
        if daily or not self._begun:
            if self._program is None:
                self._program = await asyncio.to_thread(software)
            items = [self._program, *([of_key(self.public_key)] if self.public_key else [])]
            self._unkept += _documents(items)
            if self._begun:
                self._untold.append((self._config, self._library))
            while self._untold:
                found = await asyncio.to_thread(of_configuration, *self._untold.popleft())
                self._unkept += _documents(found)
                await self._keep_documents()  # a reload may come meanwhile
                items += found
            self._tell(items)
            self._begun, self._day = True, self._scribe.keeper.now_ns() // _DAY_NS
        await self._keep_documents()
        while self._files:
            self._tell([self._files.popleft()])

    async def _keep_documents(self) -> None:
        while self._unkept:
            try:
                await asyncio.to_thread(self.documents.keep, self._unkept[0])
            except OSError as error:
                self._say(f"{self.documents.folder}: {error.strerror or error}")
                return
            self._unkept.popleft()
            if self.public_key:
                self._say("")

    def _file(self, item: Item) -> None:
        self._files.append(item)
        if self._begun:
            self._tell([self._files.popleft()])

    def _tell(self, items: Iterable[Item]) -> None:
        for item in items:
            now_ns = self._scribe.keeper.now_ns()
            self._scribe.record(EVIDENCE, AGENT, now_ns, item.body(self._scribe.site, now_ns))
            self._told[item.what, item.name] = item.says

    async def _seal(self) -> bool:
        """Seal what is committed; return whether that could be done."""
        store, site = self._scribe.store, self._scribe.site
        if not self.public_key:
            return False
        try:
            await store.flush()
            now_ns = self._scribe.keeper.now_ns()
            body = await seal_body(store, site, self.public_key, now_ns)
            if body is None:
                return True
            with store.transaction():
                payload = self._scribe.record(SEAL, AGENT, now_ns, body)
                store.save_state(LATEST, payload)
            await store.flush()
        except StoreError:
            return False  # the store tells of it; what is not sealed now is sealed later
        self._board.put(TOPIC, payload)
        self._stamper.sealed(payload)
        return True

    def _take_key(self) -> None:
        """Take the key; raise KeyFileError for one that must not be used. A disk that fails leaves none."""
        self._retry = time.monotonic()
        given = self._config.audit.key_file
        try:
            key = load_signing_key(self._config.resolve(given)) if given else own_key(self.folder / "key.pem")
        except OSError as error:
            self._say(f"{self.folder}: {error.strerror or error}")
            return
        self.public_key = key.text
        self._scribe.store.sign_with(signer(key))
        self._say("")
        if self._begun:
            self._tell([of_key(self.public_key)])

    def _say(self, trouble: str) -> None:
        """Raise or end the alarm `audit`."""
        if trouble and trouble != self._trouble:
            _log.error("%s; records are not sealed, or cannot be proved in full, until that is mended", trouble)
        self._trouble = trouble
        self._alarms.set(
            Alarm(
                AGENT,
                "audit",
                bool(trouble),
                Severity.WARNING,
                time.time_ns(),
                f"{trouble}: records cannot be proved in full until that is mended"
                if trouble
                else "records are sealed, and what they rest on is kept",
                f"记录暂时无法完整证明（{trouble}），请检查磁盘和权限" if trouble else "记录已封签，其依据已保存",  # noqa: RUF001 -- Chinese punctuation
            )
        )


def audit_folder(config: SiteConfig) -> Path:
    """Return the folder of the key and the documents of a configuration."""
    return config.resolve(config.store.path).resolve().parent / FOLDER


def check_key(config: SiteConfig) -> None:
    """Raise KeyFileError when the key of a configuration must not be used, as far as whoever asks may see it."""
    given = config.audit.key_file
    path = config.resolve(given) if given else audit_folder(config) / "key.pem"
    # The agent's credentials are there for the agent alone, and while it runs; its own key is made by it.
    with contextlib.suppress(OSError):
        if os.access(path, os.R_OK) or (given and not path.exists() and not path.is_relative_to(CREDENTIALS)):
            load_key(path)


def _documents(items: Iterable[Item]) -> list[bytes]:
    return [item.content for item in items if item.content is not None]
