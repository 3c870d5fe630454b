"""What the commands take that ask for much: those for commissioning, and those for what was recorded."""

import argparse
from pathlib import Path

from drivers.value import frozen


@frozen
class Periods:
    """Periods of which length, and of what by name, as the command line has it."""

    start: str
    end: str
    every: str
    name: str | None
    form: str

    @staticmethod
    def of(given: argparse.Namespace) -> "Periods":
        """Return what parsed arguments say of them."""
        return Periods(**{name: getattr(given, name) for name in Periods.__dataclass_fields__})


def not_empty(text: str) -> str:
    """Return a text that is one; raise ArgumentTypeError for none, as of a variable that a script forgot to set."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty: name something, or leave it out")
    return text


def add_decode(command: argparse.ArgumentParser) -> None:
    """Add what `decode` takes."""
    command.add_argument("inputs", nargs="+", metavar="URL | HEX", help="a line to read from, or registers in hex")
    command.add_argument("--unit", type=int, metavar="U", help="unit number of the device")
    command.add_argument("--function", type=int, choices=(3, 4), metavar="F", help="3 holding, 4 input registers")
    command.add_argument("--address", type=_address, metavar="A", help="first address, from 0 (default: look for them)")
    command.add_argument("--count", type=_count, metavar="N", help="number of registers (default 20)")
    command.add_argument("--expect", metavar="VALUE", help="what the display shows, such as 230.1 or 12.3kW")
    command.add_argument(
        "--as", dest="points", action="append", default=[], metavar="NAME[=VALUE]",
        help="which quantity shows which value, such as voltage_l1=230.1; may be given again",
    )  # fmt: skip
    command.add_argument("--watch", action="store_true", help="take two samples 3 s apart: counters grow, states stay")
    command.add_argument("--profile", type=Path, metavar="FILE", help="write what is certain into this profile")
    command.add_argument("--all", dest="everything", action="store_true", help="show the implausible too")


def _address(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:  # noqa: PLR2004 -- the last address
        raise argparse.ArgumentTypeError(f"'{text}' is no address: give 0 to 65535, or hex such as 0x0034")
    return number


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= 0x10000:  # noqa: PLR2004 -- as many as there are addresses
        raise argparse.ArgumentTypeError(f"'{text}' is no number of registers: give 1 or more")
    return number


def add_scan(command: argparse.ArgumentParser) -> None:
    """Add what `scan` takes."""
    command.add_argument("url", metavar="URL", help="rtu:///dev/ttyUSB0?baud=9600&parity=N, tcp://…, rtu+tcp://…")
    command.add_argument("--units", type=_units, metavar="1-247", help="which unit numbers to ask, such as 1-40,100")
    command.add_argument(
        "--settings", choices=("all",), help="serial: try the common baud rates and parities until a unit answers"
    )
    command.add_argument("--timeout", type=_timeout, metavar="S", help="how long to wait for each reply")


def _units(text: str) -> tuple[int, ...]:
    units: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = (first, last if dash else first)
        if not all(number.isascii() and number.isdecimal() and 0 < int(number) <= 255 for number in numbers):  # noqa: PLR2004 -- a byte
            raise argparse.ArgumentTypeError(f"'{text}' names no units: write such as 1-40,100 (1 to 247)")
        units.update(range(int(numbers[0]), int(numbers[1]) + 1))
    if not units:
        raise argparse.ArgumentTypeError(f"'{text}' names no units: write the smaller number first, such as 1-40")
    return tuple(sorted(units))


def _timeout(text: str) -> float:
    try:
        number = float(text.removesuffix("s"))
    except ValueError:
        number = 0.0
    if not 0.02 <= number <= 10:  # noqa: PLR2004 -- from what a fast device needs to what anybody waits
        raise argparse.ArgumentTypeError(f"'{text}' is no time-out: give seconds from 0.02 to 10")
    return number


def add_balance(command: argparse.ArgumentParser) -> None:
    """Add what `balance` takes."""
    _add_periods(command)
    command.add_argument("--balance", dest="name", metavar="NAME", help="only this one, such as site/electricity")


def add_intervals(command: argparse.ArgumentParser) -> None:
    """Add what `intervals` takes."""
    _add_starts(command)
    command.add_argument("--account", type=not_empty, metavar="NAME", help="only this account")
    command.add_argument("--format", choices=("table", "csv", "json", "parquet"), default="table")
    every = "interval (virtual accounts too), hour, shift, day or month; default: the records of account"
    command.add_argument("--every", type=not_empty, metavar="PERIOD", help=every)
    command.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")


def add_intensity(command: argparse.ArgumentParser) -> None:
    """Add what `intensity` takes."""
    _add_periods(command)
    command.add_argument("--intensity", dest="name", metavar="NAME", help="only this [[intensity]]")


def _add_starts(command: argparse.ArgumentParser) -> None:
    moment = "such as 2026-11-20T08:00, in the site's time zone"
    command.add_argument("--from", dest="start", required=True, metavar="T", help=f"first start, {moment}")
    command.add_argument("--to", dest="end", required=True, metavar="T", help="only starts before this time")


def _add_periods(command: argparse.ArgumentParser) -> None:
    _add_starts(command)
    command.add_argument(
        "--every",
        choices=("interval", "hour", "shift", "day", "month"),
        default="day",
        help="length of the periods; day by default",
    )
    command.add_argument("--format", dest="form", choices=("table", "csv", "json"), default="table")
    command.add_argument("--json", action="store_const", const="json", dest="form", help="same as --format json")


def add_output(command: argparse.ArgumentParser) -> None:
    """Add what `output` takes."""
    command.add_argument("name", metavar="NAME", help="the [[output]], one with entered = true")
    command.add_argument("amount", type=float, metavar="AMOUNT", help="how much was made, in the unit of the output")
    moment = "such as 2026-11-20T08:00, in the site's time zone"
    command.add_argument("--from", dest="start", required=True, metavar="T", help=f"start of the period, {moment}")
    command.add_argument("--to", dest="end", required=True, metavar="T", help="its end, which must have passed")
    add_said(command)


def add_said(command: argparse.ArgumentParser) -> None:
    """Add who says something, and why."""
    command.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in every record it changes")
    command.add_argument("--author", required=True, metavar="NAME", help="who says so; it stands there as well")


def add_read(command: argparse.ArgumentParser) -> None:
    """Add what `read` takes."""
    command.add_argument("source", metavar="CONFIG | URL", help="the site configuration, or the URL of a line")
    command.add_argument("device", nargs="?", metavar="DEVICE", help="only this device of the configuration")
    command.add_argument("--unit", type=int, metavar="U", help="with a URL: the unit number")
    command.add_argument("--profile", metavar="P", help="with a URL: a profile of the catalogue, or a .toml file")
    command.add_argument("--raw", action="store_true", help="show the bytes of every request and reply, with times")
    command.add_argument("--watch", action="store_true", help="poll every second until Ctrl-C, and mark what changes")
