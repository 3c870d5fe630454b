"""What people must know of the clock: events that tell of its steps, an alarm while it is behind what was recorded."""

from typing import Any

from agent.alarms.alarm import Alarm, Severity
from agent.counted import counted
from agent.metering.amount import NS_PER_S
from agent.record import AGENT, event_body, rfc3339
from agent.timekeeping import Step


def step_event(site: str, step: Step) -> dict[str, Any]:
    """Return the body of the event record that tells of a step of the wall clock."""
    by_s = round(step.by_ns / NS_PER_S, 6)
    then = "times go with it" if step.followed else "times go on by the monotonic clock, nobody has synchronised it"
    text = f"the clock was set by {by_s:+} s: {then}"
    return event_body(site, step.time_ns, name="clock_step", by_s=by_s, followed=step.followed, text=text)


def given_up_event(site: str, time_ns: int, frames: int) -> dict[str, Any]:
    """Return the body of the event record that tells what could not be kept while the time was not known."""
    lost = counted(
        frames, "poll made before the time was known was not kept", "polls made before the time was known were not kept"
    )
    text = f"{lost}: of what counters say no amount is lost, but when it was used is known less exactly"
    return event_body(site, time_ns, name="polls_given_up", polls=frames, text=text)


def behind_alarm(newest_ns: int, now_ns: int, *, behind: bool) -> Alarm:
    """Return the alarm `clock_behind_records`, active while the time is earlier than what earlier runs recorded."""
    return Alarm(
        AGENT,
        "clock_behind_records",
        behind,
        Severity.WARNING,
        now_ns,
        f"the clock is behind records up to {rfc3339(newest_ns)}: one of both is wrong, accounts may wait: check it"
        if behind
        else "the clock is no longer behind what was recorded",
        f"系统时钟早于已有记录（{rfc3339(newest_ns)}），两者之一有误，结算可能延后，请检查时钟"  # noqa: RUF001 -- Chinese punctuation
        if behind
        else "系统时钟不再早于已有记录",
    )
