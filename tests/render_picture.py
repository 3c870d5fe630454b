"""Renders the README's picture: the demo's page during an outage, from a demo that really ran.

From the folder of the project: python -m tests.render_picture [docs/demo.svg]; takes 80 s.
"""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from agent.demo import view

_ROOT = Path(__file__).parent.parent
_WIDTH, _HEIGHT = 112, 32
_SECONDS = 80
_SETTLED_S = 50
"""By then the windows have filled; the outage after it is the demo's second."""
_OUTAGE = "taken off its line"
_FONTS = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"


def svg(page: view.Page) -> str:
    """Return the page as an SVG that loads nothing from elsewhere."""
    console = Console(record=True, width=_WIDTH, height=_HEIGHT, file=StringIO(), force_terminal=True)
    console.print(page, end="")
    text = console.export_svg(title="make demo", unique_id="demo")
    text = re.sub(r"@font-face \{.*?\}", "", text, flags=re.DOTALL).replace("Fira Code, monospace", _FONTS)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())


def _get(port: int, resource: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", resource)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def page_of(said: Iterable[str]) -> view.Page:
    """Follow what a demo says; return its page during the outage after it has settled."""
    port, uptime_s = 0, 0.0
    for line in said:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
            port = int(found[1])
        elif found := re.match(r" *(\d+) s  ", line):
            uptime_s = float(found[1])
        elif _OUTAGE in line and uptime_s > _SETTLED_S:
            state = _get(port, "/api/v1/state")
            if state["alarms"]:
                return view.page(state, _get(port, "/api/v1/windows"), line.strip().removeprefix("now: "))
    raise SystemExit("the demo ended before the alarm of its second outage")


def main(path: Path) -> None:
    """Run the demo and write its picture."""
    command = [sys.executable, "-u", "-m", "agent", "demo", "--for", str(_SECONDS)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as demo:
        try:
            path.write_text(svg(page_of(demo.stdout or ())), encoding="utf-8")
        finally:
            demo.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT / "docs" / "demo.svg")
