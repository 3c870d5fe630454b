"""What came of the requests of one poll, block by block, and what follows for those that are left."""

import time
from collections.abc import Sequence

from agent.polling.breaker import Breaker
from agent.polling.polled import Cadence, PolledDevice
from drivers.errors import GATEWAY_CODES, ExceptionCode, LineDown, LineError, NoReply, Refused
from drivers.reading import Block, Exchange

_ILLEGAL_CODES = (ExceptionCode.ILLEGAL_DATA_ADDRESS, ExceptionCode.ILLEGAL_DATA_VALUE)
"""Exceptions by which a device says that it has no such registers, or not so many at once."""
_JUST_NOW_S = 1.0

Results = dict[Block, Exchange | LineError]


class Muted(NoReply):
    """Stands for a request that is not sent for a while, because the device never answers it."""


def left_of(cadence: Cadence, results: Results) -> Sequence[Block]:
    """Return the blocks that have no result yet, those last that the device leaves unanswered."""
    if not results and not cadence.device.muted:
        return cadence.blocks
    left = [block for block in cadence.blocks if block not in results]
    left.sort(key=cadence.device.muted.__contains__)
    return left


def at_rest(device: PolledDevice, block: Block) -> bool:
    """Whether a block that stays unanswered is not to be asked for yet."""
    muted = device.muted.get(block)
    return muted is not None and time.monotonic() < muted.retry_at


def is_over(device: PolledDevice, left: Sequence[Block], error: LineError, results: Results) -> bool:
    """Note the error of the first block that is left; return whether it stands for all, for the device is silent."""
    block = left[0]
    results[block] = error
    if not (isinstance(error, LineDown) or silent(error)):
        return False
    results |= dict.fromkeys(left[1:], error)
    if not isinstance(error, LineDown) and _alive(device, block, results):
        device.muted.setdefault(block, Breaker()).fail(time.monotonic(), next_beat_s=0.0)
    return True


def silent(error: LineError) -> bool:
    """Whether the device itself did not answer, which a gateway may say in its place."""
    return isinstance(error, NoReply) or (isinstance(error, Refused) and error.code in GATEWAY_CODES)


def illegal(result: Exchange | LineError) -> bool:
    """Whether a device says that it has no such registers, or not so many at once."""
    return isinstance(result, Refused) and result.code in _ILLEGAL_CODES


def _alive(device: PolledDevice, block: Block, results: Results) -> bool:
    """Whether a device that leaves a block unanswered is there nevertheless, so that it is for the block."""
    just_now = time.monotonic() - device.probed_at < _JUST_NOW_S
    return (
        just_now
        or any(isinstance(result, Exchange) for result in results.values())
        or (bool(device.answered) and block not in device.answered)
    )


def refuses_all(device: PolledDevice, results: Results) -> bool:
    """Whether a device that never answered anything says of all its registers that it does not have them."""
    return not device.answered and all(map(illegal, results.values()))
