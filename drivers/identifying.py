"""Who a device says it is, asked in as many requests as its answer takes (function 43/14)."""

from collections.abc import Awaitable, Callable

from drivers import identification
from drivers.errors import ExceptionCode, Refused
from drivers.reading import Block, Exchange

_MOST_PARTS = 16
"""Replies that one identification may be spread over."""
_UNKNOWN_CATEGORY = (ExceptionCode.ILLEGAL_DATA_ADDRESS, ExceptionCode.ILLEGAL_DATA_VALUE)
"""Exceptions of devices that give only the basic objects."""

Ask = Callable[[Block], Awaitable[Exchange]]


async def identified(ask: Ask) -> dict[int, str]:
    """Return the text of each object that a unit gives, by object number; raise what `ask` raises.

    0 is the vendor, 1 the product code, 2 the revision, 3 a URL, 4 the product, 5 the model, 6 the application.
    """
    try:
        return await _all_parts(ask, identification.REGULAR)
    except Refused as error:
        if error.code not in _UNKNOWN_CATEGORY:
            raise
        return await _all_parts(ask, identification.BASIC)


async def _all_parts(ask: Ask, category: int) -> dict[int, str]:
    found: dict[int, str] = {}
    start = 0
    for _ in range(_MOST_PARTS):
        exchange = await ask(Block(identification.FUNCTION, start, category))
        part, following = identification.objects(exchange.data)
        found |= part
        if following is None:
            break
        start = following
    return found
