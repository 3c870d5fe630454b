"""The text beside a packet: what the bytes on the wire do not say. Pure.

`boot BOOT; clock STATE; monotonic time - N ns` stands beside every packet, with the beginning of the boot id; beside
the last packet of an exchange follows, where it applies: `poll +1` (one more than the poll before of this unit; `+0`
the same; else its number), `attempt N`, `booked CADENCE`, `again` for what stands in the file before too; and of a
request without an accepted reply how and when it ended (ns behind the request), with the bytes that came instead in
hex. Written so that it is nearly always the same: that compresses to nothing.
"""

from typing import Any

from drivers.reading import Outcome
from drivers.value import frozen

SHORT_BOOT_ID = 8
"""Digits of the boot id beside packets; the whole of it stands in the head of the file."""
_FAILED = {outcome.value: outcome for outcome in (Outcome.NO_REPLY, Outcome.BAD_REPLY, Outcome.LINE_DOWN)}


@frozen
class Remarks:
    """What a comment says; `poll` counts from the poll before of the unit if it is `relative`."""

    clock: str
    behind_ns: int
    """Wall clock less monotonic clock [ns]."""
    poll: int = 0
    relative: bool = False
    attempt: int = 1
    booked: int | None = None
    again: bool = False
    failed: Outcome | None = None
    after_ns: int = 0
    received: bytes = b""


def common(boot_id: str, clock: str, behind_ns: int) -> str:
    """Return what stands beside every packet."""
    return f"boot {boot_id[:SHORT_BOOT_ID]}; clock {clock}; monotonic time - {behind_ns} ns"


def details(
    poll: str,
    attempt: int,
    booked: int | None,
    failed: Outcome | None = None,
    after_ns: int = 0,
    received: bytes = b"",
    *,
    again: bool = False,
) -> str:
    """Return what follows beside the last packet of an exchange; `poll` is the number as it is to stand there."""
    parts = [f"; poll {poll}"] if poll else []
    if attempt != 1:
        parts.append(f"; attempt {attempt}")
    if booked is not None:
        parts.append(f"; booked {booked}")
    if again:
        parts.append("; again")
    if failed is not None:
        parts.append(f"; {failed.value} after {after_ns} ns")
        if received:
            parts.append(f": {received.hex()}")
    return "".join(parts)


def read_comment(text: str) -> Remarks | None:
    """Return what a comment says; None if it is not one of ours."""
    head, _, rest = text.partition("; clock ")
    clock, _, rest = rest.partition("; monotonic time - ")
    behind, *more = rest.split("; ")
    if not head.startswith("boot ") or not behind.endswith(" ns"):
        return None
    told: dict[str, Any] = {}
    try:
        for part in more:
            told |= _detail(part)
        return Remarks(clock, int(behind.removesuffix(" ns")), **told)
    except (ValueError, KeyError):
        return None


def _detail(text: str) -> dict[str, Any]:
    word, _, rest = text.partition(" ")
    if word == "poll":
        return {"poll": int(rest), "relative": rest.startswith("+")}
    if word == "again":
        return {"again": True}
    if word in ("attempt", "booked"):
        return {word: int(rest)}
    after, _, received = rest.removeprefix("after ").partition(": ")
    return {
        "failed": _FAILED[word],
        "after_ns": int(after.removesuffix(" ns")),
        "received": bytes.fromhex(received),
    }
