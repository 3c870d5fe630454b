"""Pieces of HTML: everything from outside is escaped here and nowhere else."""

from collections.abc import Iterable, Sequence
from html import escape

Cell = str
_NUMBER = frozenset("0123456789")

STYLE = """
@page { size: A4; margin: 16mm 13mm 18mm;
  @bottom-left { content: attr(data-foot); }
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; color: #555; } }
:root { color-scheme: light; }
body { font: 10pt/1.45 "Noto Sans", "Noto Sans CJK SC", "Microsoft YaHei", Arial, sans-serif; color: #1a1a1a;
  background: #fff; max-width: 190mm; margin: 8mm auto; padding: 0 4mm; }
h1 { font-size: 19pt; line-height: 1.2; margin: 0 0 2mm; font-weight: 650; }
h2 { font-size: 12.5pt; margin: 9mm 0 2mm; padding-bottom: 1mm; border-bottom: 1.5pt solid #1d4e5f; color: #173f4d;
  break-after: avoid; }
h3 { font-size: 10.5pt; margin: 5mm 0 1mm; break-after: avoid; }
p, ul, ol { margin: 1.5mm 0; max-width: 175mm; }
li { margin: 0.6mm 0; }
table { border-collapse: collapse; width: 100%; margin: 2mm 0 3mm; font-size: 8.6pt; line-height: 1.3; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th { text-align: left; font-weight: 600; background: #e8eff1; border-bottom: 1pt solid #7d99a3; padding: 1.1mm 1.6mm;
  vertical-align: bottom; }
td { border-bottom: 0.4pt solid #ccd5d8; padding: 1mm 1.6mm; vertical-align: top; overflow-wrap: break-word; }
.w { white-space: nowrap; }
tbody tr.sum td { border-top: 1pt solid #7d99a3; font-weight: 600; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.n { white-space: normal; }
dl { display: grid; grid-template-columns: minmax(0, max-content) minmax(60%, 1fr); gap: 0.8mm 5mm; margin: 2mm 0; }
dt { color: #4a5b61; } dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 8.2pt/1.4 "DejaVu Sans Mono", "Noto Sans Mono", Consolas, monospace; overflow-wrap: anywhere; }
pre { background: #f4f6f7; border-left: 2pt solid #7d99a3; padding: 1.6mm 2.5mm; white-space: pre-wrap;
  break-inside: avoid; margin: 1.5mm 0; }
.box { border: 1pt solid #1d4e5f; padding: 2mm 4mm; margin: 4mm 0; break-inside: avoid; }
.box.doubt { border-color: #9a5b00; background: #fff8ec; }
.small { font-size: 8.6pt; color: #4a5b61; }
.doubtful { color: #8a4b00; font-weight: 600; }
.fill { display: inline-block; border-bottom: 0.6pt solid #1a1a1a; min-width: 38mm; }
@media print { body { margin: 0; max-width: none; padding: 0; } a { color: inherit; text-decoration: none; } }
"""


def text(value: object) -> Cell:
    """Return any text, escaped."""
    return escape(str(value))


def code(value: object) -> Cell:
    """Return a text that is to be copied as it stands."""
    return f"<code>{text(value)}</code>"


def doubtful(value: object) -> Cell:
    """Return a text that nobody may overlook."""
    return f'<span class="doubtful">{text(value)}</span>'


def paragraph(content: Cell, kind: str = "") -> str:
    """Return a paragraph."""
    return f'<p class="{kind}">{content}</p>\n' if kind else f"<p>{content}</p>\n"


def box(content: str, *, doubt: bool = False) -> str:
    """Return what must be read first."""
    return f'<div class="box{" doubt" if doubt else ""}">\n{content}</div>\n'


def bullets(items: Iterable[Cell], *, numbered: bool = False) -> str:
    """Return a list."""
    tag = "ol" if numbered else "ul"
    return f"<{tag}>\n" + "".join(f"<li>{item}</li>\n" for item in items) + f"</{tag}>\n"


def pairs(items: Iterable[tuple[str, Cell]]) -> str:
    """Return names with what they stand for."""
    return "<dl>\n" + "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>\n" for name, value in items) + "</dl>\n"


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    right: Sequence[int] = (),
    whole: Sequence[int] = (),
    last: bool = False,
) -> str:
    """Return a table; columns in `right` hold numbers, those in `whole` are not broken; the `last` row may be a sum."""
    kinds = ["n" if column in right else "w" if column in whole else "" for column in range(len(heads))]
    head = "".join(_cell("th", name, kind) for name, kind in zip(map(text, heads), kinds, strict=True))
    body = ["".join(_cell("td", cell, kind) for cell, kind in zip(row, kinds, strict=True)) for row in rows]
    lines = [f"<tr>{row}</tr>\n" for row in body]
    if last and lines:
        lines[-1] = lines[-1].replace("<tr>", '<tr class="sum">', 1)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody>\n</table>\n"


def _cell(tag: str, content: Cell, kind: str) -> str:
    return f'<{tag} class="{kind}">{content}</{tag}>' if kind else f"<{tag}>{content}</{tag}>"


def number(value: float | None, decimals: int = 3) -> Cell:
    """Return a figure with thousands set apart; a dash for none."""
    return "–" if value is None else f"{value:,.{decimals}f}"  # noqa: RUF001 -- a dash


def percent(share: float) -> Cell:
    """Return a share of 0 to 1 in percent; never rounded to a whole that it is not."""
    shown = f"{share * 100:.2f}"
    if share < 1 and shown == "100.00":
        return "&lt;100"
    if share > 0 and shown == "0.00":
        return "&gt;0"
    return shown
