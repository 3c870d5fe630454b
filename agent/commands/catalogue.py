"""`energy-agent devices`: the types of devices that the package brings along."""

from collections.abc import Sequence
from typing import Any

from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.table import print_table, print_text
from drivers.document import nearest
from drivers.errors import ProfileError
from drivers.point import Point
from drivers.profile import Profile
from drivers.profile_file import catalogue, load_profile
from drivers.rawtype import RAW_TYPES

_UNSCALED = ("bit", "bool", "string")


def devices(name: str | None, *, as_json: bool) -> Exit:
    """List the catalogue, or show one profile."""
    names = catalogue()
    if name is None:
        _list([load_profile(known) for known in names], as_json=as_json)
        return Exit.DONE
    try:
        profile = load_profile(name)
    except ProfileError as error:
        raise CommandError(f"no profile '{name}': {nearest(name, names)}") from error
    if as_json:
        print_json(_profile(profile))
    else:
        _show(profile)
    return Exit.DONE


def _list(profiles: Sequence[Profile], *, as_json: bool) -> None:
    """Print what there is; points that only scale others are not counted."""
    headings = ("profile", "kind", "points", "model", "source")
    rows = [
        (profile.name, profile.kind, sum(point.quantity is not None for point in profile.points), profile.model,
         profile.source)
        for profile in profiles
    ]  # fmt: skip
    if as_json:
        print_json([dict(zip(headings, row, strict=True)) for row in rows])
    else:
        short = [(*row[:-2], f"{row[-2]}; source: {row[-1]}") for row in rows]
        print_table("Device profiles", (*headings[:-2], "model and source"), short)


def _show(profile: Profile) -> None:
    print_text(f"{profile.name}: {profile.model} ({profile.kind})")
    print_text(f"source: {profile.source}")
    print_text(f"word order: {_orders(profile, 'word_order')}; byte order: {_orders(profile, 'byte_order')}")
    rows = [
        (
            point.name,
            point.function,
            f"{point.address:#06x}",
            point.type if point.bit is None else f"bit {point.bit}",
            _scale(point),
            ", ".join(_raw(value, point) for value in point.missing),
            _range(point),
        )
        for point in profile.points
    ]
    columns = ("quantity", "fn", "address", "type", "one count is", "missing", "range")
    filled = [index for index in range(len(columns)) if any(row[index] != "" for row in rows)]
    print_table("", [columns[index] for index in filled], [[row[index] for index in filled] for row in rows])
    if profile.accounts:
        print_table(
            "\nAccounts",
            ("account", "carrier", "from", "check"),
            [(spec.name, spec.carrier, spec.from_, spec.check) for spec in profile.accounts],
        )


def _orders(profile: Profile, key: str) -> str:
    """Return the order that points of more than one register have, or all orders where they differ."""
    return " and ".join(sorted({getattr(point, key) for point in profile.points}))


def _unit(point: Point) -> str:
    return point.quantity.unit.symbol if point.quantity else ""


def _scale(point: Point) -> str:
    """Return what one raw count is in the canonical unit, such as "0.1 Nm3", and what is added to it."""
    if point.quantity is None:
        return "a power of ten" if point.scales == "exponent" else "a factor"
    if point.type in _UNSCALED:
        return ""
    symbol = "" if _unit(point) == "1" else f" {_unit(point)}"
    scale = f"{point.numerator / point.denominator:.6g}{symbol}"
    if point.scale_from:
        scale += f" x {point.scale_from}"
    if point.offset:
        scale += f" {point.offset / point.denominator:+.6g}"
    return scale


def _raw(value: float, point: Point) -> str:
    """Return a raw value as manuals print it: the registers in hex, floats and packed decimals as they are."""
    raw = RAW_TYPES[point.type]
    if not isinstance(value, int) or not raw.integer or point.type.startswith("bcd"):
        return f"{value:g}"
    return f"0x{value & ((1 << raw.bits) - 1):0{raw.bits // 4}X}"


def _range(point: Point) -> str:
    if point.low is None or point.high is None:
        return ""
    return f"{point.low:g}..{point.high:g}"


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "profile": profile.name,
        "model": profile.model,
        "kind": profile.kind,
        "source": profile.source,
        "digest": profile.digest,
        "points": [
            {
                "quantity": point.name,
                "key": point.quantity.key if point.quantity else None,
                "label": point.quantity.label if point.quantity else None,
                "label_zh": point.quantity.label_zh if point.quantity else None,
                "function": point.function,
                "address": point.address,
                "type": point.type,
                "bit": point.bit,
                "unit": _unit(point),
                "numerator": point.numerator,
                "denominator": point.denominator,
                "offset": point.offset,
                "scale_from": point.scale_from,
                "missing": point.missing,
                "low": point.low,
                "high": point.high,
                "modulus": point.modulus,
            }
            for point in profile.points
        ],
        "accounts": [
            {"account": spec.name, "carrier": spec.carrier, "from": spec.from_, "check": spec.check}
            for spec in profile.accounts
        ],
    }
