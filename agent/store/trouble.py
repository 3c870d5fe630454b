"""What an operator must know of the store: alarms of the agent, and what became of a damaged file."""

from collections.abc import Mapping

from agent.alarms.alarm import Alarm, Severity
from agent.record import AGENT
from agent.store.status import StoreStatus


def store_alarms(status: StoreStatus, now_ns: int) -> tuple[Alarm, Alarm, Alarm]:
    """Return the alarms `store`, `store_damaged` and `store_displaced`.

    The first is active while the file cannot be written, the others until the agent is started again.
    """
    failing, damaged, displaced = bool(status.degraded), bool(status.set_aside), bool(status.displaced)
    return (
        Alarm(
            AGENT,
            "store",
            failing,
            Severity.CRITICAL,
            now_ns,
            f"the store cannot be written ({status.degraded}), values are delivered live only: check the disk"
            if failing
            else "the store can be written again",
            f"存储无法写入（{status.degraded}），仅实时发送数据，请检查磁盘" if failing else "存储已恢复写入",  # noqa: RUF001 -- Chinese punctuation
        ),
        Alarm(
            AGENT,
            "store_damaged",
            damaged,
            Severity.WARNING,
            now_ns,
            f"the store was damaged and set aside as {status.set_aside}: check the disk"
            if damaged
            else "the store was found sound",
            f"存储文件损坏，已移至 {status.set_aside}，请检查磁盘" if damaged else "存储文件完好",  # noqa: RUF001 -- Chinese punctuation
        ),
        Alarm(
            AGENT,
            "store_displaced",
            displaced,
            Severity.WARNING,
            now_ns,
            f"the store's file {status.displaced}: find out who did it"
            if displaced
            else "the store's file is where it was",
            "存储文件在运行中被删除或替换，请查明原因" if displaced else "存储文件在原处",  # noqa: RUF001 -- Chinese punctuation
        ),
    )


def damage_text(set_aside: str, kept: Mapping[str, int]) -> str:
    """Return what became of a damaged file and what was kept of it."""
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kept.items()))
    what = f"kept of it: {counts}" if counts else "no record in it could be kept"
    return f"the store was damaged; it was set aside as {set_aside} and a new one started; {what}"
