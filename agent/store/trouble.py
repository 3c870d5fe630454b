"""What an operator must know of the store, as alarms of the agent."""

from agent.alarm import Alarm, Severity
from agent.record import AGENT
from agent.store.status import StoreStatus


def store_alarms(status: StoreStatus, now_ns: int) -> tuple[Alarm, Alarm]:
    """Return the alarms `store`, active while the file cannot be written, and `store_damaged`, until a restart."""
    failing, damaged = bool(status.degraded), bool(status.set_aside)
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
            f"存储无法写入({status.degraded}),仅实时发送数据,请检查磁盘" if failing else "存储已恢复写入",
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
            f"存储文件损坏,已移至 {status.set_aside},请检查磁盘" if damaged else "存储文件完好",
        ),
    )
