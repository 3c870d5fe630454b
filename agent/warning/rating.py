"""The alarm of devices whose counter or integrated power is so far above their rating that nothing of it is booked."""

from collections.abc import Iterable, Iterator

from agent.alarms.alarm import Alarm, Severity
from agent.books.book import AccountBook
from agent.metering.counter import Counter
from agent.metering.integral import Integral
from agent.plant import Account

NAME = "rated-power"


def rating_alarms(books: Iterable[AccountBook], now_ns: int) -> Iterator[Alarm]:
    """Yield the state of the alarm of each device that has an account of what is read (now: Unix, ns)."""
    found: dict[str, Alarm] = {}
    for book in books:
        key = book.account.key
        if isinstance(book.source, Counter | Integral) and not (key in found and found[key].active):
            beyond = book.source.beyond
            found[key] = _ended(key, now_ns) if beyond is None else _raised(book.account, beyond, now_ns)
    yield from found.values()


def _raised(account: Account, beyond: float, now_ns: int) -> Alarm:
    shown = f"{beyond:.6g} {account.unit}/h"
    text = (
        f"{account.name}: {shown} lasts, more than twenty times rated_power: nothing is booked: correct rated_power of "
        f"{account.device}, or type and scale in its profile, and reload the agent"
    )
    text_zh = (
        f"{account.name}：{shown} 持续超过 rated_power 的二十倍，不记入：请更正 {account.device} 的 rated_power，"  # noqa: RUF001 -- Chinese punctuation
        "或其设备模板中的类型和倍率，然后重新加载"  # noqa: RUF001 -- Chinese punctuation
    )
    return Alarm(account.key, NAME, True, Severity.WARNING, now_ns, text, text_zh)


def _ended(key: str, now_ns: int) -> Alarm:
    text, text_zh = "what is read is within reach of rated_power", "所读数值在 rated_power 的合理范围内"
    return Alarm(key, NAME, False, Severity.WARNING, now_ns, text, text_zh)
