"""What a frame says of one account: its reading, or why there is none."""

from collections.abc import Mapping
from typing import Any

from agent.config import SiteConfig
from agent.metering.amount import Reading
from agent.plant import Account
from agent.plant.condition import ConditionReader
from drivers.frame import Frame
from drivers.reading import LABELS, Quality

_COMM_LOST, _NOT_READ = int(Quality.COMM_LOST), int(Quality.NOT_READ)


class FrameReader:
    """Finds the readings of an account in the frames of its device."""

    def __init__(self, account: Account, config: SiteConfig, boot_id: str) -> None:
        index = config.profiles[account.device].index
        self._account, self._boot = account, boot_id
        self._point = index[account.source.name]
        self._condition = (
            ConditionReader(account.condition, index, config.carbon.steam_reference) if account.condition else None
        )

    def lost(self, frame: Frame) -> str | None:
        """Return why a frame has no value, empty when it has one; None when the point was not read at all."""
        code = frame.quality.item(self._point)
        if code == _NOT_READ:
            return None
        return LABELS[code] if code >= _COMM_LOST else ""

    def reading(self, frame: Frame) -> Reading | None:
        """Return what a frame says of this account, None when it has no value or nothing to weigh it by."""
        condition, doubtful = None, ""
        if self._condition:
            known = self._condition.at(frame)
            if known is None:
                return None
            condition, doubtful = known
        code = frame.quality.item(self._point)
        if code >= _COMM_LOST:
            return None
        value = frame.values.item(self._point) * self._account.factor
        if condition and self._account.integrates:
            value *= condition.weight
        registers = frame.raw.get(self._point, b"")
        # Cut as evidence shows it, so that the amount of an interval follows from its own record to the last quantum.
        time_ns = frame.time_ns // 1000 * 1000
        doubt = LABELS[code] if code else doubtful
        return Reading(time_ns, frame.monotonic_ns, value, registers, self._boot, doubt, condition)

    def memory(self) -> dict[str, Any] | None:
        """Return what is known of pressure and temperature from earlier frames, as JSON values; None without them."""
        return self._condition.memory() if self._condition else None

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take over what `memory` returned."""
        if self._condition:
            self._condition.remember(memory)
