"""How `energy-agent decode` shows what registers may mean."""

import math
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import Any, Protocol

from agent.commands.outcome import print_json
from agent.commands.table import print_table, print_text
from agent.commissioning.candidates import Candidate
from agent.commissioning.layout import Layout, Shown
from agent.commissioning.survey import runs
from agent.commissioning.verdicts import Verdict
from agent.counted import counted

_LIKELY, _POSSIBLE = 3.0, 0.0
_ROWS, _RIVALS = 12, 3
_CLOSE_BITS = 3.0


class Given(Protocol):
    """What these pages need to know of what was typed."""

    @property
    def url(self) -> str | None: ...  # noqa: D102 -- said by the class that is typed

    @property
    def unit(self) -> int | None: ...  # noqa: D102 -- as above

    @property
    def everything(self) -> bool: ...  # noqa: D102 -- as above

    @property
    def as_json(self) -> bool: ...  # noqa: D102 -- as above

    @property
    def profile(self) -> object: ...  # noqa: D102 -- as above


class Taken(Protocol):
    """Registers of one function."""

    function: int
    words: dict[int, int]
    milliseconds: list[float]


def show_candidates(given: Given, sample: Taken, ranked: Sequence[Candidate]) -> None:
    """Print readings one by one, the most plausible first."""
    if given.as_json:
        print_json({"function": sample.function, "candidates": [_json(candidate) for candidate in ranked]})
        return
    shown = ranked if given.everything else ranked[:_ROWS]
    print_text(_heading(sample))
    print_table("", ("address", "value", "", "keys of the point"), [_row(candidate) for candidate in shown])
    if len(shown) < len(ranked):
        others = counted(len(ranked) - len(shown), "less plausible one", "less plausible ones")
        print_text(f"{others}: add --all. {_HELP}")
    else:
        print_text(_HELP)


_HELP = "A value read off the display decides: add --expect 230.1"


def show_layouts(given: Given, sample: Taken, ranked: Sequence[Layout]) -> None:
    """Print a whole block in the most plausible order of words and bytes, and how sure that order is."""
    best, second = ranked[0], ranked[1]
    if given.as_json:
        print_json({"function": sample.function, "layouts": [_layout_json(layout) for layout in ranked]})
        return
    print_text(_heading(sample))
    clear = best.bits - second.bits >= _CLOSE_BITS
    print_text(
        f"Most plausible: {_orders(best)} ({best.bits:.0f} points, next {_orders(second)} with {second.bits:.0f})"
        + ("" if clear else ": too close to call without a value from the display")
    )
    print_table("", ("address", "registers", "value", "reads as"), list(_layout_rows(best)), right=("value",))
    where = f"decode {quote(given.url)} --unit {given.unit} --function {sample.function} …" if given.url else "decode …"
    # One phase alone is never certain beside two that are nearly the same.
    phases = "--as voltage_l1=230.1 --as voltage_l2=231.2 --as voltage_l3=229.8"
    print_text(f"Next, with values off the display: energy-agent {where} {phases} --profile my-meter.toml")


def show_matches(
    given: Given, sample: Taken, judged: Sequence[Verdict], missing: Sequence[Shown], written: int
) -> None:
    """Print where each shown value stands, what to paste, and what is not certain."""
    print_text(_heading(sample))
    rows = [
        (
            verdict.match.shown.name or "--expect",
            f"{verdict.match.shown.value:.{verdict.match.shown.decimals}f}",
            f"{verdict.match.reading.address:#06x}",
            verdict.match.reading.value,
            _standing(verdict),
            keys_text(verdict.match.reading),
        )
        for verdict in judged
    ]
    if rows:
        print_table("", ("point", "shown", "address", "read", "", "keys"), rows, right=("shown",))
    for verdict in judged:
        for text in _doubts(verdict):
            print_text(f"{verdict.match.shown.name or 'it'}: {text}", indent="  ")
    for value in missing:
        what = f"{value.name or 'the value'} {value.value:.{value.decimals}f}: no register gives it"
        print_text(f"{what}: look again at the display, or read more registers (--count, --function)", indent="  ")
    if judged and not all(verdict.match.exact for verdict in judged):
        print_text("What moves is caught more often with --watch; what is certain is kept meanwhile.")
    if written:
        print_text(f"wrote {counted(written, 'point', 'points')} to {given.profile}")
        if given.url:
            there = f"{quote(given.url)} --unit {given.unit} --profile {quote(str(given.profile))}"
            print_text(f"Next: energy-agent read {there} --watch")
    elif given.profile:
        print_text(f"wrote nothing to {given.profile}: nothing is certain")


def matches_json(sample: Taken, judged: Sequence[Verdict], missing: Sequence[Shown]) -> dict[str, Any]:
    """Return the same as data."""
    return {
        "function": sample.function,
        "points": [
            {
                "name": verdict.match.shown.name,
                "shown": verdict.match.shown.value,
                "unit": verdict.match.shown.unit,
                "exact": verdict.match.exact,
                "certain": verdict.sure,
                **_json(verdict.match.reading),
                "by_order": verdict.by_order,
                "rivals": [_json(rival.reading) for rival in (*verdict.rivals, *verdict.twins)],
            }
            for verdict in judged
        ],
        "missing": [value.name or "expect" for value in missing],
    }


def keys_text(candidate: Candidate) -> str:
    """Return the keys of a point as they are pasted."""
    return ", ".join(
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value:g}"
        for key, value in candidate.keys.items()
    )


def _standing(verdict: Verdict) -> str:
    if not verdict.sure:
        return "unsure"
    return "by order" if verdict.by_order else "certain"


def _doubts(verdict: Verdict) -> Iterator[str]:
    match, reading = verdict.match, verdict.match.reading
    if verdict.by_order and match.shown.name.endswith("_l1"):
        yield "phases l1 to l3 are taken in the order of their addresses: compare each with the display"
    if verdict.twins:
        places = _listed([f"{twin.reading.address:#06x}" for twin in verdict.twins])
        yield (
            f"{places} hold{'s' if len(verdict.twins) == 1 else ''} nearly the same: all three phases settle it, or "
            f"the address, if you know it: --address {reading.address:#06x} --count {reading.registers}"
        )
    if verdict.rivals:
        others = _listed([f"{rival.reading.address:#06x} ({keys_text(rival.reading)})" for rival in verdict.rivals])
        yield f"also fits {others}: give all digits of the display, or a second value"
    elif not verdict.sure and not match.exact:
        yield "only near what is shown: give what the display shows at this moment, and a second value"
    elif not verdict.sure and not verdict.twins:
        yield "too few digits to be certain: give a value of at least three"
    for other in verdict.parts:
        yield f"{other.reading.type} at {other.reading.address:#06x} holds the same number now: ask the manual which"


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _RIVALS} more" if len(texts) > _RIVALS else ""
    return ", ".join(texts[:_RIVALS]) + more


def _heading(sample: Taken) -> str:
    places = ", ".join(f"{start:#06x}+{count}" for start, count in runs(sample.words))
    took = f", {sum(sample.milliseconds) / len(sample.milliseconds):.1f} ms a reply" if sample.milliseconds else ""
    registers = counted(len(sample.words), "register", "registers")
    return f"{registers} of function {sample.function}{took}: {places}"


def _row(candidate: Candidate) -> tuple[str, str, str, str]:
    value = candidate.text or _value(candidate)
    note = f"  # {', '.join(candidate.why)}" if candidate.why else ""
    return f"{candidate.address:#06x}", value, _word(candidate.bits), keys_text(candidate) + note


def _word(bits: float) -> str:
    return "likely" if bits >= _LIKELY else "possible" if bits > _POSSIBLE else "unlikely"


def _value(candidate: Candidate) -> str:
    return f"{candidate.value:.7g}" if candidate.type.startswith("float") else f"{candidate.value:.15g}"


def _layout_rows(layout: Layout) -> Iterator[tuple[str, str, str, str]]:
    """Return the rows of a layout; zeros that follow each other stand in one."""
    empty: list[Candidate] = []
    for reading in [*layout.readings, None]:
        if reading is not None and reading.raw == 0 and (not empty or empty[-1].end == reading.address):
            empty.append(reading)
            continue
        if len(empty) > 1:
            last = empty[-1].end - 1
            yield f"{empty[0].address:#06x}", f"… {last:#06x}", "0", "all zero"
        elif empty:
            yield _layout_row(empty[0])
        empty = []
        if reading is not None and reading.raw == 0:
            empty = [reading]
        elif reading is not None:
            yield _layout_row(reading)


def _layout_row(reading: Candidate) -> tuple[str, str, str, str]:
    note = [why for why in reading.why if why not in {"everyday size", "unchanged", "upper word is zero"}]
    named = f"{reading.type}{f' x {reading.scale:g}' if reading.scale != 1.0 else ''}"
    return (
        f"{reading.address:#06x}",
        reading.octets.hex(" ", 2),
        reading.text or _value(reading),
        ", ".join([named, *note]),
    )


def _orders(layout: Layout) -> str:
    return f'word_order = "{layout.word_order}", byte_order = "{layout.byte_order}"'


def _json(candidate: Candidate) -> dict[str, Any]:
    return {
        "address": candidate.address,
        "registers": candidate.octets.hex(" ", 2),
        "value": candidate.text or (candidate.value if math.isfinite(candidate.value) else None),
        "bits": candidate.bits,
        "keys": dict(candidate.keys),
        "why": list(candidate.why),
    }


def _layout_json(layout: Layout) -> Mapping[str, Any]:
    return {
        "word_order": layout.word_order,
        "byte_order": layout.byte_order,
        "bits": layout.bits,
        "readings": [_json(reading) for reading in layout.readings],
    }
