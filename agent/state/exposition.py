"""Figures as Prometheus reads them: its text exposition format, version 0.0.4.

Written here because the client library, which collects and serves figures too, takes 2.5 MB for as long as the
agent runs.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal

from drivers.value import frozen

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@frozen
class Family:
    """Figures of one name: what they are, and for each its suffix, labels and value."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    samples: Sequence[tuple[str, Labels, float]]


def single(kind: Literal["counter", "gauge"], name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    """Return a family with one figure for each set of labels."""
    return Family(name, kind, text, [("", labels, value) for labels, value in samples])


def histogram(name: str, text: str, samples: Iterable[tuple[Labels, Sequence[float], Sequence[int], float]]) -> Family:
    """Return how values are spread: for each set of labels the upper bounds, counts and sum.

    There is one count more than bounds: of the values above the last.
    """
    found: list[tuple[str, Labels, float]] = []
    for labels, bounds, counts, total in samples:
        upto = [*accumulate(counts)]
        names = [*map(repr, bounds), "+Inf"]
        found += [("_bucket", (*labels, ("le", name)), count) for name, count in zip(names, upto, strict=True)]
        found += [("_count", labels, upto[-1]), ("_sum", labels, total)]
    return Family(name, "histogram", text, found)


def written(families: Iterable[Family]) -> bytes:
    """Return all figures in the text format; values must be finite."""
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} {family.text.translate(_HELP)}", f"# TYPE {family.name} {family.kind}"]
        lines += [
            f"{family.name}{suffix}{_braced(labels)} {float(value)!r}" for suffix, labels, value in family.samples
        ]
    return "".join(f"{line}\n" for line in lines).encode()


def _braced(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{value.translate(_LABEL)}"' for name, value in sorted(labels))
    return f"{{{pairs}}}" if pairs else ""
