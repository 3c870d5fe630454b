"""Saved books of an account, read without the agent's code."""

from typing import Any


def open_quanta(intervals: dict[str, Any]) -> int:
    """Return what the saved books of an account have in no record yet, in quanta."""
    rest: int = intervals["waiting"]
    for long, part in [*intervals["ready"], (False, intervals["slot"])]:
        if long:
            since_ns, start_ns, end_ns, _ = part["times"]
            _, (last_ns, *_), quanta, *_ = part["delta"]
            begin, end = (quanta * (at_ns - since_ns) // (last_ns - since_ns) for at_ns in (start_ns, end_ns))
            rest += end - begin
        elif part:
            rest += part["amounts"][0] - part["amounts"][2]
    return rest
