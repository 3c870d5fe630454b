"""The command `energy-simulators`: simulated, misbehaving and replayed devices over TCP, RTU over TCP or serial lines.

Exit codes: 0 ended as asked, 2 usage or configuration, 3 a line cannot be served.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import logging
import math
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import orjson
from rich.console import Console
from rich.table import Table

from drivers.capture import CaptureError
from drivers.errors import ProfileError
from drivers.profile_file import load_profile
from simulators.description import (
    BoilerEntry,
    ConstantEntry,
    DeviceEntry,
    LineEntry,
    MeterEntry,
    MotorEntry,
    PlantDescription,
    PlantError,
    load_plant,
)
from simulators.fault import command as fault
from simulators.plant import SimulatedPlant
from simulators.replay import command as replay
from simulators.server import NotServed, Served

_USAGE, _UNREACHABLE = 2, 3
_NARROWEST = 110  # of the table where no terminal says its width
_ENTRY_OF_KIND: Mapping[str, type[DeviceEntry]] = {
    "boiler": BoilerEntry,
    "motor-drive": MotorEntry,
    "electricity-meter": MeterEntry,
}


class _Wrong(Exception):
    """Raised when the user's input does not work together; the text is for standard error."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "fault":
            _fault(arguments)
        elif arguments.command == "replay":
            _replay(arguments)
        else:
            _simulate(arguments)
    except (PlantError, ProfileError, CaptureError, replay.NotReplayed, _Wrong) as error:
        sys.stderr.write(f"{error}\n")
        return _USAGE
    except NotServed as error:
        sys.stderr.write(f"{error}\n")
        return _UNREACHABLE
    return 0


def _simulate(arguments: argparse.Namespace) -> None:
    description = _plant(arguments) if arguments.command == "plant" else _device(arguments)
    try:
        plant = SimulatedPlant(description, seed=arguments.seed, speed=arguments.speed)
    except ValueError as error:
        raise _Wrong(f"{error}: correct the profile or the device's rating") from error
    with _served_log(arguments.served) as log:
        asyncio.run(_run(_serving(plant, arguments, log), arguments, log))


def _fault(arguments: argparse.Namespace) -> None:
    if arguments.list:
        fault.explain()
        return
    _one_framing(arguments)
    if arguments.baud is not None and arguments.serial is None:
        raise _Wrong("--baud paces a serial line: leave it out, or add --serial")
    with _served_log(arguments.served) as log:
        asyncio.run(_run(fault.serving(arguments, log.write if log else None), arguments, log))


def _replay(arguments: argparse.Namespace) -> None:
    with _served_log(arguments.served) as log:
        ended = log.ended if log else asyncio.Event()
        asyncio.run(_run(replay.serving(arguments, log, ended), arguments, log, ended))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_USAGE, f"{self.prog}: {message}: see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="energy-simulators", description="Simulated devices over Modbus, with their physics.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    plant = commands.add_parser("plant", help="serve a plant file, or the built-in demo plant")
    plant.add_argument("file", metavar="PLANT.toml", nargs="?", type=Path)
    plant.add_argument("--serial", metavar="PATH", help="serve all devices on one serial line instead (see device)")
    device = commands.add_parser("device", help="serve one device of a profile")
    device.add_argument("profile", metavar="PROFILE", help="a name of the catalogue, or a .toml file")
    device.add_argument("--unit", type=_within(1, 247), default=1, help="unit number (default 1)")
    _add_place(device, "a serial port; where nothing exists yet, a new pseudo-terminal is linked")
    for command in (plant, device):
        command.add_argument("--speed", type=_positive, default=1.0, help="simulated seconds per second")
    faulty = commands.add_parser("fault", help="serve a line that misbehaves, with values that tell whose they are")
    fault.add_arguments(faulty)
    _add_place(faulty, "as with device; without PATH a new pseudo-terminal", nargs="?", const="")
    replayed = commands.add_parser("replay", help="serve what was captured, at the times at which it was")
    replay.add_arguments(replayed)
    replayed.add_argument("--serial", metavar="PATH", help="serve the line on a serial line instead (see device)")
    for command in (plant, device, faulty):
        command.add_argument("--seed", type=int, default=0, help="the same seed gives the same course")
    for command in (plant, device, faulty, replayed):
        command.add_argument("--served", metavar="FILE", type=Path, help="append one JSON line per answered read")
        command.add_argument("--for", metavar="S", dest="seconds", type=_positive, help="end after so many seconds")
        command.add_argument("--json", action="store_true", help="print what is served as JSON")
    return parser


def _add_place(command: argparse.ArgumentParser, serial: str, **options: Any) -> None:
    place = command.add_mutually_exclusive_group()
    place.add_argument("--port", type=_within(0, 65535), default=0, help="TCP port (default: a free one)")
    place.add_argument("--serial", metavar="PATH", help=serial, **options)
    command.add_argument("--rtu", action="store_true", help="RTU framing over TCP")


def _positive(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0.0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")


def _within(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        with contextlib.suppress(ValueError):
            if low <= int(text) <= high:
                return int(text)
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number within {low}-{high}")

    return parse


def _plant(arguments: argparse.Namespace) -> PlantDescription:
    description = load_plant(arguments.file)
    if arguments.serial is None:
        return description
    line = LineEntry(name="serial", kind="serial", path=arguments.serial)
    units: dict[int, str] = {}
    for entry in description.devices:
        other = units.setdefault(entry.unit, entry.name)
        if other != entry.name:
            what = f"'{other}' and '{entry.name}' are both unit {entry.unit} and cannot share one serial line"
            raise _Wrong(f"--serial: {what}: give them different units in a plant file")
    devices = tuple(entry.model_copy(update={"line": line.name}) for entry in description.devices)
    return dataclasses.replace(description, lines=(line,), devices=devices)


def _device(arguments: argparse.Namespace) -> PlantDescription:
    _one_framing(arguments)
    try:
        profile = load_profile(arguments.profile)
    except ProfileError as error:
        first = error.problems[0]
        if first.file != arguments.profile or arguments.profile.endswith(".toml"):
            raise
        raise _Wrong(f"{first.what}: {first.remedy}") from error
    name = re.sub(r"[^a-z0-9]+", "-", Path(arguments.profile).stem.lower()).strip("-") or "device"
    entry = _ENTRY_OF_KIND.get(profile.kind, ConstantEntry)(
        name=name, line="line", unit=arguments.unit, profile=arguments.profile
    )
    if arguments.serial is not None:
        line = LineEntry(name="line", kind="serial", path=arguments.serial)
    else:
        line = LineEntry(name="line", kind="rtu+tcp" if arguments.rtu else "tcp", port=arguments.port)
    return PlantDescription("device", 8.0, (line,), (entry,), {name: profile})


def _one_framing(arguments: argparse.Namespace) -> None:
    if arguments.serial is not None and arguments.rtu:
        raise _Wrong("--rtu is for TCP, a serial line is RTU already: leave one of --rtu and --serial out")


class _ServedLog:
    """Writes one JSON line per answered read; ends the program when it no longer can."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self.broken: _Wrong | None = None
        self.ended = asyncio.Event()

    def __call__(self, served: Served) -> None:
        self.write(served.to_json())

    def write(self, line: bytes) -> None:
        """Write a line at once."""
        if self.broken:
            return
        try:
            self._file.write(line)
        except OSError as error:
            self.broken = _unwritable(self._path, error)
            self.ended.set()


def _unwritable(path: Path, error: OSError) -> _Wrong:
    return _Wrong(f"{path}: cannot be written ({error.strerror or error}): give --served another file")


@contextlib.contextmanager
def _served_log(path: Path | None) -> Iterator[_ServedLog | None]:
    if path is None:
        yield None
        return
    try:
        # Unbuffered: who has the reply finds its line in the file.
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise _unwritable(path, error) from error
    with file:
        yield _ServedLog(path, file)


async def _run(
    serving: contextlib.AbstractAsyncContextManager[None],
    arguments: argparse.Namespace,
    log: _ServedLog | None,
    ended: asyncio.Event | None = None,
) -> None:
    """Serve until a signal, the end of `--for` or of what is served, or a log that cannot be written."""
    ended = ended or (log.ended if log else asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with serving:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(arguments.seconds):
                await ended.wait()
    if log and log.broken:
        raise log.broken


@contextlib.asynccontextmanager
async def _serving(plant: SimulatedPlant, arguments: argparse.Namespace, log: _ServedLog | None) -> AsyncIterator[None]:
    async with plant.serving(log) as endpoints:
        show = _print_json if arguments.json else _print_table
        show(plant, endpoints, arguments)
        yield


def _print_json(plant: SimulatedPlant, endpoints: Mapping[str, tuple[str, int]], arguments: argparse.Namespace) -> None:
    description = plant.description
    devices = [
        {
            "device": entry.name,
            "line": entry.line,
            "url": endpoints[entry.name][0],
            "unit": entry.unit,
            "profile": entry.profile,
            "kind": description.profiles[entry.name].kind,
        }
        for entry in _by_place(description)
    ]
    body = {"plant": description.name, "seed": arguments.seed, "speed": arguments.speed, "devices": devices}
    sys.stdout.write(orjson.dumps(body).decode() + "\n")
    sys.stdout.flush()


def _by_place(description: PlantDescription) -> list[DeviceEntry]:
    lines = [line.name for line in description.lines]
    return sorted(description.devices, key=lambda entry: (lines.index(entry.line), entry.unit))


def _print_table(
    plant: SimulatedPlant, endpoints: Mapping[str, tuple[str, int]], arguments: argparse.Namespace
) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(_NARROWEST, console.width))
    speed = "" if arguments.speed == 1.0 else f", {arguments.speed:g} times real time"
    table = Table(title=f"{plant.description.name}: seed {arguments.seed}{speed}", title_justify="left")
    for column in ("line", "device", "profile"):
        table.add_column(column)
    table.add_column("url", no_wrap=True)
    table.add_column("unit", justify="right")
    for entry in _by_place(plant.description):
        url, unit = endpoints[entry.name]
        table.add_row(entry.line, entry.name, entry.profile, url, str(unit))
    console.print(table)
    ending = f"for {arguments.seconds:g} s" if arguments.seconds else "until Ctrl-C"
    console.print(f"serving {ending}")


if __name__ == "__main__":
    sys.exit(main())
