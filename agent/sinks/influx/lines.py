"""Records as lines of the line protocol.

One record is one line: the measurement is its class, the time that of the reading or the start of the interval [ns],
the fields its numbers. Every field is a float, except the counts in `COUNTS`, which are integers; the type of a field
never changes. A quality is the number of its reason in `drivers.reading.Quality`: `quality` of an amount, for a value
of telemetry that is not good `quality_` and its key. Other texts, those of seals excepted, and nested objects but
telemetry's `values` are left out: they stand in the record itself. Where two records of one device and moment must not
overwrite each other, the contract's tags tell them apart: the name of an intensity or figure stands in `account`, the
period of a roll-up, or the name of a shift, in `span`; an alarm's name begins its fields.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from operator import add

import orjson

from agent.record import ALARM, FIGURE, GAP, INTERVAL, ROLLUP, SEAL, TELEMETRY, WINDOW, Record
from drivers.reading import Quality

COUNTS = frozenset({"seq", "revision", "scope", "from_seq", "to_seq", "intervals", "expected", "count"})
KINDS = frozenset({TELEMETRY, WINDOW, INTERVAL, ALARM, GAP, FIGURE, ROLLUP, SEAL})
_CODES: dict[object, float] = {quality.label: float(quality) for quality in Quality}
_TAGS = ("site", "area", "device", "account", "span")
# Line protocol, "special characters": a comma, an equals sign or a blank in a key or tag takes a backslash. A
# backslash of its own and a line end have no form there.
_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\\": "/", "\n": r"\ ", "\r": r"\ ", "\t": r"\ "})
_SPECIAL = re.compile(r"[,= \\\n\r\t]")
_NUMBERS = (int, float)
_SEALED = ("root", "head", "signature")
"""The only texts that are kept: without them a seal proves nothing."""


def line(record: Record) -> str | None:
    """Return a record in line protocol, None when it holds no number."""
    body: dict[str, object] = orjson.loads(record.payload)
    if name := body.get("intensity", body.get("figure")):
        body["account"] = name
    if record.kind == ROLLUP:
        body["span"] = body.get("shift", body["period"])
    prefix = f"{body['alarm']}_" if record.kind == ALARM else ""
    values = body.pop("values", {})
    fields = _fields(body, prefix) + (_values(values) if isinstance(values, Mapping) else [])
    if (quality := body.get("quality")) is not None:
        fields += _qualities(quality)
    if record.kind == SEAL:
        # 48 bits of the root, which a float holds exactly: for databases that keep numbers only.
        fields.append(f"root_prefix={float(int(str(body['root']).removeprefix('sha256:')[:12], 16))!r}")
        fields += [f'{name}="{body[name]}"' for name in _SEALED]
    if not fields:
        return None
    head = [record.kind, *[f"{name}={_escaped(str(value))}" for name in _TAGS if (value := body.get(name))]]
    return f"{','.join(head)} {','.join(fields)} {record.time_ns}"


def _values(values: Mapping[str, object]) -> list[str]:
    """Return the fields of telemetry, spelt all at once where JSON spells numbers as Python does."""
    numbers = [*values.values()]
    if {*map(type, numbers)} == {float} and (form := _form(*values)):
        text = orjson.dumps(numbers).decode()
        # What Python writes as 1e-05 and 1e-07 is 0.00001 and 1e-7 there.
        if "e" not in text and "0.0000" not in text:
            return [*map(add, form, text[1:-1].split(","))]
    return _fields(values, "")


@lru_cache(maxsize=256)
def _form(*keys: str) -> tuple[str, ...]:
    """Return how the fields of these names begin, nothing where one is a count."""
    named = [_named("", key) for key in keys]
    return () if any(count for _, count in named) else tuple(head for head, _ in named)


def _fields(body: Mapping[str, object], prefix: str) -> list[str]:
    found = []
    for key, value in body.items():
        if isinstance(value, _NUMBERS):
            head, count = _named(prefix, key)
            found.append(f"{head}{int(value)}i" if count else f"{head}{float(value)!r}")
    return found


@lru_cache(maxsize=4096)
def _named(prefix: str, key: str) -> tuple[str, bool]:
    """Return how a field begins, and whether it is a count; there are few, and they come again and again."""
    return f"{_escaped(prefix + key)}=", key in COUNTS


def _qualities(quality: object) -> list[str]:
    if isinstance(quality, Mapping):
        named = {f"quality_{key}": label for key, label in quality.items()}
    else:
        named = {"quality": quality}
    return [f"{_escaped(key)}={_CODES[label]!r}" for key, label in named.items() if label in _CODES]


def _escaped(key: str) -> str:
    return key.translate(_ESCAPES) if _SPECIAL.search(key) else key
