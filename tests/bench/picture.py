"""Draws how the agent grows with its devices, from bench.json: `python -m tests.bench.picture docs/growth.svg`."""

import json
import math
import sys
from pathlib import Path

from tests.bench.bench_growth import SIZES

_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 610, 50, 300
_ROOM = 35
"""Between the axis and the first point, for its label."""
_STEP_US = 5
_BEFORE_DEVICES, _BEFORE_US = 1000, 13.9
"""Before what the page tells of was done, on the same machine."""
_TITLE = "processor time per point read [µs] / 每读一个点的处理器时间 [µs]"
_ACROSS = "devices of 20 points, every second / 设备数 (每台 20 点, 每秒一次)"
_BEFORE = "before / 此前"
_BARE = "bare pymodbus, the same reads, on uvloop / 仅 pymodbus"


def _text(x: float, y: float, words: object, anchor: str = "middle") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{colour}"/>'


def _drawn(costs: dict[int, float], bare: dict[int, float]) -> str:
    """Return the picture: what a point costs the agent and the bare client [µs], by the number of devices."""
    top_us = max(*costs.values(), _BEFORE_US) * 1.15
    first, width = _LEFT + _ROOM, _RIGHT - _ROOM - (_LEFT + _ROOM)
    across = {devices: first + width * math.log(devices / SIZES[0], SIZES[-1] / SIZES[0]) for devices in SIZES}
    every = (*costs.values(), *bare.values(), _BEFORE_US)
    up = {cost_us: _BOTTOM - cost_us / top_us * (_BOTTOM - _TOP) for cost_us in every}
    line, beside = (
        " ".join(f"{across[devices]:.0f},{up[cost]:.0f}" for devices, cost in each.items()) for each in (costs, bare)
    )
    marks = range(0, int(top_us) + 1, _STEP_US)
    before = across[_BEFORE_DEVICES], up[_BEFORE_US]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="13">',
        '<rect width="640" height="360" fill="#fff"/>',
        _text(_LEFT, 25, _TITLE, "start"),
        f'<path d="M{_LEFT},{_TOP}V{_BOTTOM}H{_RIGHT}" fill="none" stroke="#999"/>',
        *(_text(_LEFT - 10, _BOTTOM - mark / top_us * (_BOTTOM - _TOP) + 4, mark, "end") for mark in marks),
        f'<polyline points="{line}" fill="none" stroke="#0a7" stroke-width="2.5"/>',
        f'<polyline points="{beside}" fill="none" stroke="#999" stroke-width="2.5"/>',
        *(_dot(across[devices], up[cost], "#999") for devices, cost in bare.items()),
        *(_text(across[devices], up[cost] - 8, f"{cost:.1f}") for devices, cost in bare.items()),
        _text(across[SIZES[1]], up[bare[SIZES[1]]] - 24, _BARE),
        *(_text(x, _BOTTOM + 22, f"{devices:,}") for devices, x in across.items()),
        *(_dot(across[devices], up[cost], "#0a7") for devices, cost in costs.items()),
        *(_text(across[devices], up[cost] - 10, f"{cost:.1f}") for devices, cost in costs.items()),
        _dot(*before, "#c50"),
        _text(before[0], before[1] - 10, f"{_BEFORE} {_BEFORE_US}"),
        _text((_LEFT + _RIGHT) / 2, _BOTTOM + 45, _ACROSS),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Draw it."""
    figures = json.loads(Path("bench.json").read_text(encoding="utf-8"))["figures"]
    found = {devices: figures[f"growth_{devices}_devices_us_per_point"] for devices in SIZES}
    costs, bare = ({devices: each[which] for devices, each in found.items()} for which in ("value", "ceiling"))
    Path(sys.argv[1]).write_text(_drawn(costs, bare), encoding="utf-8")


if __name__ == "__main__":
    main()
