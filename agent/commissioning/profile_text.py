"""The text of a profile that grows point by point, as somebody reads values off a display."""

import tomllib
from collections.abc import Mapping

from drivers.quantity import VOCABULARY
from drivers.value import frozen

_DRIVE = ("output_", "torque", "speed", "dc_voltage", "drive_", "motor_")
_ELECTRIC = frozenset({"voltage", "current", "power", "energy", "frequency", "reactive power", "apparent power"})
_ACCOUNTS = {"active_energy_import": "electricity", "gas_volume": "natural_gas"}
_CHECKS = {"active_energy_import": "active_power", "gas_volume": "gas_flow"}
_UNSCALED = frozenset({"text", "bool", "word"})


@frozen(kw_only=True)
class NewPoint:
    """A point to write: `keys` are what its profile says of it besides address and unit."""

    name: str
    function: int
    address: int
    unit: str
    keys: Mapping[str, str | float | int]
    note: str = ""


def skeleton(model: str, first: NewPoint, *, source: str, max_gap: int) -> str:
    """Return the head of a new profile, with the defaults that its first point suggests."""
    lines = [
        f"model         = {_quoted(model)}",
        f"kind          = {_quoted(_kind(first.name))}",
        f"source        = {_quoted(source)}",
        f"function      = {first.function}",
        f"type          = {_quoted(str(first.keys['type']))}",
        *(f"{key:<13} = {_quoted(str(first.keys[key]))}" for key in ("word_order", "byte_order") if key in first.keys),
        f"max_gap       = {max_gap}",
        "",
        "[points]",
        "",
    ]
    return "\n".join(lines)


def with_point(text: str, point: NewPoint) -> str:
    """Return a profile's text with one more point, and with an account once it has what an account needs.

    Raises ValueError when the profile has such a point already; the text must be valid TOML.
    """
    data = tomllib.loads(text)
    if point.name in data.get("points", {}):
        raise ValueError(f"it has a point '{point.name}' already: remove that line first, or give another name")
    defaults: dict[str, object] = {"word_order": "big", "byte_order": "big"} | {
        key: data[key] for key in ("function", "type", "word_order", "byte_order") if key in data
    }
    # A point of one register has no word order; one in the usual byte order must say so where the file differs.
    keys: dict[str, object] = {"function": point.function, "byte_order": "big"} | dict(point.keys)
    said = {key: value for key, value in keys.items() if defaults.get(key) != value}
    parts = [f"address = {point.address:#06x}", *(f"{key} = {_toml(value)}" for key, value in said.items())]
    if VOCABULARY[point.name].unit.dimension not in _UNSCALED:
        parts.append(f"unit = {_quoted(point.unit)}")
    line = f"{point.name} = {{ {', '.join(parts)} }}" + (f"  # {point.note}" if point.note else "")
    return _with_account(_inserted(text, line), point.name)


def _inserted(text: str, line: str) -> str:
    """Put a line behind the last one of the table of points."""
    lines = text.rstrip("\n").split("\n")
    try:
        start = next(at for at, existing in enumerate(lines) if existing.strip() == "[points]") + 1
    except StopIteration as error:
        raise ValueError("it has no line [points] of its own: add one") from error
    end = next((at for at in range(start, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    while end > start and not lines[end - 1].strip():
        end -= 1
    return "\n".join([*lines[:end], line, *lines[end:]]) + "\n"


def _with_account(text: str, name: str) -> str:
    data = tomllib.loads(text)
    if name not in _ACCOUNTS or any(account.get("from") == name for account in data.get("accounts", [])):
        return text
    carrier = _ACCOUNTS[name]
    lines = ["", "[[accounts]]", f'name = "{carrier}"', f'carrier = "{carrier}"', f'from = "{name}"']
    if _CHECKS[name] in data["points"]:
        lines.append(f'check = "{_CHECKS[name]}"')
    return text + "\n".join(lines) + "\n"


def _kind(name: str) -> str:
    if name.startswith(_DRIVE):
        return "motor-drive"
    return "electricity-meter" if VOCABULARY[name].unit.dimension in _ELECTRIC else "sensor"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isprintable() else " " for c in text).replace("\\", "\\\\").replace('"', '\\"') + '"'
