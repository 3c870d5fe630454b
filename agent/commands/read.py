"""`energy-agent read`: one poll now, or one every second, shown with registers, frames and times."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote

from agent.commands import watch
from agent.commands.bench import check_unit, endpoint_of, refuse_beside_an_agent
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.poll import Answer, Target, poll, silent
from agent.commands.table import print_table, print_text
from agent.config.load import load_config
from agent.sections import LineSection
from drivers.document import nearest
from drivers.errors import ProfileError
from drivers.line import Line
from drivers.profile import Profile
from drivers.profile_file import load_profile
from drivers.value import frozen

_EVERY_S = 1.0
_LINE = "line-1"


@frozen(kw_only=True)
class Asked:
    """What was typed."""

    source: str
    device: str | None
    unit: int | None
    profile: str | None
    raw: bool
    watch: bool
    as_json: bool


def read(asked: Asked) -> Exit:
    """Poll one device, or all of a configuration, and print what came."""
    sections, targets = _of_a_line(asked) if "://" in asked.source else _of_a_site(asked)
    wanted = {target.line for target in targets}
    lines = {}
    for section in sections:
        if section.name in wanted:
            refuse_beside_an_agent(section.endpoint)
            lines[section.name] = Line(
                section.name, section.endpoint, timeout_s=section.timeout, pause_s=section.pause_s
            )
    if asked.watch:
        view = watch.view(as_json=asked.as_json)
        asyncio.run(_poll_on(targets, lines, view))
    answers = asyncio.run(_poll_once(targets, lines))
    if asked.as_json:
        print_json(answers)
    else:
        for number, answer in enumerate(answer for answer in answers if not silent(answer)):
            if number:
                print_text("")
            _show(answer)
        if asked.raw:
            _show_frames(answers)
    for answer in answers:
        _say_errors(answer)
    return Exit.UNREACHABLE if any(map(silent, answers)) else Exit.DONE


def _of_a_site(asked: Asked) -> tuple[Sequence[LineSection], list[Target]]:
    """Return the lines and devices of a configuration that were asked for; raise CommandError."""
    path = Path(asked.source)
    if asked.unit is not None or asked.profile is not None:
        remedy = "leave them out, or write the URL of a line in place of the configuration"
        raise CommandError(f"--unit and --profile: {path} says both of its devices: {remedy}")
    config = load_config(path)
    names = [device.name for device in config.devices]
    if asked.device is not None and asked.device not in names:
        raise CommandError(f"{path}: no device '{asked.device}': {nearest(asked.device, names)}")
    urls = {line.name: line.url for line in config.lines}
    targets = [
        Target(device.name, device.line, urls[device.line], device.unit, config.profiles[device.name], device.every)
        for device in config.devices
        if asked.device in (None, device.name)
    ]
    return config.lines, targets


def _of_a_line(asked: Asked) -> tuple[Sequence[LineSection], list[Target]]:
    """Return the one device of a URL, unit and profile; raise CommandError."""
    endpoint = endpoint_of(asked.source)
    if asked.device is not None:
        raise CommandError(f"'{asked.device}': a URL has no devices: give --unit and --profile instead")
    if asked.unit is None:
        raise CommandError(f"--unit is missing: which one answers says: energy-agent scan {quote(asked.source)}")
    check_unit(asked.unit, endpoint)
    if asked.profile is None:
        remedy = "give one (energy-agent devices lists them), or see bare registers with energy-agent decode"
        raise CommandError(f"--profile is missing: {remedy}")
    profile = _profile(asked.profile)
    section = LineSection(name=_LINE, url=asked.source)
    return [section], [Target(f"unit-{asked.unit}", _LINE, asked.source, asked.unit, profile, _EVERY_S)]


def _profile(name: str) -> Profile:
    try:
        return load_profile(name)
    except ProfileError as error:
        first = error.problems[0]
        in_a_file = name.endswith(".toml")
        raise CommandError(str(error) if in_a_file else f"{first.what}: {first.remedy}") from error


async def _poll_once(targets: Sequence[Target], lines: dict[str, Line]) -> list[Answer]:
    try:
        return [await poll(target, lines[target.line]) for target in targets]
    finally:
        for line in lines.values():
            await line.close()


async def _poll_on(targets: Sequence[Target], lines: dict[str, Line], show: Callable[[Sequence[Answer]], None]) -> None:
    """Poll every second until interrupted; a poll that takes longer puts off the next."""
    due = time.monotonic()
    try:
        while True:
            show([await poll(target, lines[target.line]) for target in targets])
            due = max(due + _EVERY_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
    finally:
        for line in lines.values():
            await line.close()


def _say_errors(answer: Answer) -> None:
    for text in watch.errors(answer):
        say(text)


def _show(answer: Answer) -> None:
    """Print the points a device is read for, and how long each request took."""
    print_text(watch.heading(answer))
    print_table("", watch.COLUMNS, watch.rows(answer), right=("value",))
    took = [request["reply_ms"] or request["ms"] for request in answer["requests"]]
    requests = [
        f"{request['address']:#06x}+{request['count']} {took_ms:.1f} ms"
        for request, took_ms in zip(answer["requests"], took, strict=True)
    ]
    rest_ms = max(0.0, answer["took_ms"] - sum(took))
    print_text(f"took {answer['took_ms']:.1f} ms: {', '.join(requests)}; connecting and pauses {rest_ms:.1f} ms")


def _show_frames(answers: Sequence[Answer]) -> None:
    """Print the bytes of every request and reply as they were on the wire."""
    print_text("")
    for answer in answers:
        for request in answer["requests"]:
            place = f"{answer['device']} function {request['function']} {request['address']:#06x}+{request['count']}"
            print_text(f"{place}: sent     {request['sent'] or 'nothing'}")
            took = f" after {request['reply_ms']:.2f} ms" if request["reply_ms"] is not None else ""
            print_text(f"{place}: received {request['received'] or 'nothing'}{took}")
