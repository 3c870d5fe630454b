"""Draws how the agent grows with its devices, from bench.json: `python -m tests.bench.picture docs/growth.svg`."""

import json
import sys
from pathlib import Path

from tests.bench.bench_fleet import GROWTH

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 610, 50, 300
_BEFORE_US = {1000: 13.9}
"""Before what the page tells of was done, on the same machine."""


def _drawn(costs: dict[int, float]) -> str:
    top = max(*costs.values(), *_BEFORE_US.values()) * 1.15
    step = (_RIGHT - _LEFT) / (len(GROWTH) - 1)
    across = {devices: _LEFT + at * step for at, devices in enumerate(GROWTH)}

    def up(cost_us: float) -> float:
        return _BOTTOM - cost_us / top * (_BOTTOM - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="13" fill="#333">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="25">processor time per point read [µs] / 每读一个点的处理器时间 [µs]</text>',
        f'<path d="M{_LEFT},{_TOP}V{_BOTTOM}H{_RIGHT}" fill="none" stroke="#999"/>',
    ]
    for cost_us in range(0, int(top) + 1, 2):
        parts.append(f'<text x="{_LEFT - 10}" y="{up(cost_us) + 4:.0f}" text-anchor="end">{cost_us}</text>')
    line = " ".join(f"{across[devices]:.0f},{up(cost):.0f}" for devices, cost in costs.items())
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0a7" stroke-width="2.5"/>')
    for devices, x in across.items():
        parts.append(f'<text x="{x:.0f}" y="{_BOTTOM + 22}" text-anchor="middle">{devices:,}</text>')
        y = up(costs[devices])
        parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="#0a7"/>')
        parts.append(f'<text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle">{costs[devices]:.1f}</text>')
    for devices, cost_us in _BEFORE_US.items():
        x, y = across[devices], up(cost_us)
        parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="none" stroke="#c50" stroke-width="2"/>')
        parts.append(f'<text x="{x:.0f}" y="{y - 10:.0f}" text-anchor="middle">before / 此前 {cost_us:.1f}</text>')
    middle = (_LEFT + _RIGHT) // 2
    parts.append(
        f'<text x="{middle}" y="{_BOTTOM + 45}" text-anchor="middle">devices, 20 points each, every second / '
        "设备数，每台 20 点，每秒一次</text>"
    )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Draw it."""
    figures = json.loads(Path("bench.json").read_text(encoding="utf-8"))["figures"]
    costs = {devices: figures[f"growth_{devices}_devices_us_per_point"]["value"] for devices in GROWTH}
    Path(sys.argv[1]).write_text(_drawn(costs), encoding="utf-8")


if __name__ == "__main__":
    main()
