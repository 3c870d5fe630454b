"""Where the running agent's API listens: nowhere, or at one address, which another configuration may change."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.api.errors import ApiError
from agent.board import Board
from agent.config import SiteConfig
from agent.recorder import Recorder
from agent.store import Store

if TYPE_CHECKING:
    from agent.api.server import LocalApi

_log = logging.getLogger(__name__)


class Door:
    """Opens the API for one configuration after another."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], dict[str, Any]],
        stalled: Callable[[], list[str]],
        store: Store,
        recorder: Recorder,
        board: Board,
    ) -> None:
        """`snapshot` gives the whole state, `stalled` the names of loops that are stuck."""
        self.api: LocalApi | None = None
        """What listens; None while nothing does."""
        self._snapshot, self._stalled = snapshot, stalled
        self._store, self._recorder, self._board = store, recorder, board

    async def open(self, config: SiteConfig) -> None:
        """Listen where a configuration says, if it does; raise ApiError when that cannot be."""
        if config.http:
            from agent.api.server import LocalApi  # noqa: PLC0415 -- many agents can do without

            self.api = LocalApi(
                config.http,
                config.path.parent,
                zone=config.site.zone,
                snapshot=self._snapshot,
                stalled=self._stalled,
                store=self._store,
                recorder=self._recorder,
                board=self._board,
            )
            await self.api.start()

    async def close(self) -> None:
        """Listen no more."""
        api, self.api = self.api, None
        if api:
            await api.stop()

    async def move(self, former: SiteConfig, config: SiteConfig) -> bool:
        """Listen where another configuration says; where that cannot be, where the former did, and return False."""
        await self.close()
        try:
            await self.open(config)
        except ApiError as error:
            _log.error("%s is not taken over, the old configuration stays: %s", config.path, error)
            await self.close()
            await self.open(former)
            return False
        return True
