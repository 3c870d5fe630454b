"""`energy-agent devices` and `energy-agent factors`: what the package brings along."""

from typing import Any

from agent.commands.outcome import CommandError, Exit, print_json, print_table
from drivers.document import nearest
from drivers.errors import ProfileError
from drivers.point import Point
from drivers.profile import Profile, catalogue, load_profile


def devices(name: str | None, *, as_json: bool) -> Exit:
    """List the catalogue, or show one profile."""
    names = catalogue()
    if name is None:
        rows = [
            (profile.name, profile.kind, profile.model, len(profile.points), profile.source)
            for profile in map(load_profile, names)
        ]
        headings = ("profile", "kind", "model", "points", "source")
        if as_json:
            print_json([dict(zip(headings, row, strict=True)) for row in rows])
        else:
            print_table("Device profiles", headings, rows)
        return Exit.DONE
    try:
        profile = load_profile(name)
    except ProfileError as error:
        raise CommandError(f"no profile '{name}': {nearest(name, names)}") from error
    if as_json:
        print_json(_profile(profile))
    else:
        print_table(
            f"{profile.name}: {profile.model} ({profile.kind})\nsource: {profile.source}\n",
            ("quantity", "function", "address", "type", "unit", "range"),
            [
                (point.name, point.function, f"{point.address:#06x}", point.type, _unit(point), _range(point))
                for point in profile.points
            ],
        )
        print_table(
            "Accounts",
            ("account", "carrier", "from", "check"),
            [(spec.name, spec.carrier, spec.from_, spec.check) for spec in profile.accounts],
        )
    return Exit.DONE


def _unit(point: Point) -> str:
    return point.quantity.unit.symbol if point.quantity else ""


def _range(point: Point) -> str:
    if point.low is None and point.high is None:
        return ""
    return f"{'' if point.low is None else f'{point.low:g}'} … {'' if point.high is None else f'{point.high:g}'}"


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
                "unit": _unit(point),
            }
            for point in profile.points
        ],
        "accounts": [
            {"account": spec.name, "carrier": spec.carrier, "from": spec.from_, "check": spec.check}
            for spec in profile.accounts
        ],
    }
