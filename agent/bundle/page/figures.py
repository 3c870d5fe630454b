"""The sections with figures: totals, quality, estimates, corrections, factors and meters."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from agent.bundle.page.html import bullets, code, doubtful, number, paragraph, percent, table, text
from agent.bundle.page.view import Body, View, number_of

_COUNTED = "kWh"
"""Unit of what is energy as it is counted, by no factor."""
_VALIDITY = ("year", "effective", "expires")
_SURENESS = ("measured", "estimated")
_FACTOR_COLUMNS = ("factor", "value", "source", "confidence", "used")


def scopes(view: View) -> str:
    """Return the totals by scope."""
    words, rows = view.words, []
    found = view.summary["scopes"]
    for each in found:
        label = words(f"scope.{each['scope']}") if each["scope"] in (1, 2, 3) else str(each["scope"])
        converted = _converted(view, each["accounts"])
        sureness = [percent(each["coverage"]), percent(each["estimated"])]
        totals = _totals({**each, "converted": converted})
        rows.append([text(label), *totals, *sureness, text(", ".join(each["accounts"]))])
    if len(found) > 1:
        keys = ("energy_kwh", "energy_gj", "kgce", "co2_location_kg", "co2_market_kg")
        together: dict[str, Any] = {key: sum(each[key] for each in found) for key in keys}
        together["unverified"] = any(each.get("unverified") for each in found)
        together["converted"] = any(_converted(view, each["accounts"]) for each in found)
        whole = view.summary["whole"]
        sureness = [percent(whole["coverage"]), percent(whole["estimated"])]
        rows.append([text(words("scope.sum")), *_totals(together), *sureness, ""])
    heads = [words("scope"), "kWh", "GJ", "kgce", *map(words, ("co2.location", "co2.market", *_SURENESS, "counted"))]
    shown = table(heads, rows, right=range(1, 8), last=len(found) > 1) if rows else paragraph(words("scopes.none"))
    return view.heading("scopes") + shown + paragraph(text(words("scopes.text")), "small")


def _totals(each: Body) -> list[str]:
    mark = " ?" if each.get("unverified") else ""
    of_energy = mark if each["converted"] else ""
    energy = (number(each[key]) + of_energy for key in ("energy_kwh", "energy_gj"))
    return [*energy, *(number(each[key]) + mark for key in ("kgce", "co2_location_kg", "co2_market_kg"))]


def _converted(view: View, names: Collection[str]) -> bool:
    """Return whether the energy of one of some accounts follows from an unverified factor, and was not counted."""
    found = (each for each in view.summary["accounts"] if each["account"] in names)
    return any(each.get("unverified") and each["unit"] != _COUNTED for each in found)


def accounts(view: View) -> str:
    """Return the totals by account, and what was made."""
    words = view.words
    heads = [words("account"), words("amount"), words("unit"), "kWh", "GJ", "kgce", *_co2_heads(view)]
    rows = []
    for each in view.summary["accounts"]:
        if each["output"]:
            continue
        mark = " ?" if each.get("unverified") else ""
        kwh = each.get("energy_kwh")
        energy = [number(kwh), number(None if kwh is None else kwh * 0.0036)]
        marked = [number(each[key]) + mark if key in each else "–" for key in ("kgce", "co2_kg", "co2_market_kg")]  # noqa: RUF001
        rows.append(
            [
                text(each["account"]) + (" ·" if each["counted"] else ""),
                number(each["amount"]),
                text(each["unit"]),
                *(figure + (mark if each["unit"] != _COUNTED else "") for figure in energy),
                *marked,
            ]
        )
    shown = view.heading("accounts") + table(heads, rows, right=(1, 3, 4, 5, 6, 7), whole=(0,))
    shown += paragraph(text(words("accounts.text")), "small")
    made = [each for each in view.summary["accounts"] if each["output"]]
    if made:
        lines = [[text(each["account"]), number(each["amount"]), text(each["unit"])] for each in made]
        shown += f"<h3>{text(words('outputs'))}</h3>\n"
        shown += table([words("name"), words("amount"), words("unit")], lines, right=(1,))
    return shown


def _co2_heads(view: View) -> list[str]:
    return [view.words("co2.location"), view.words("co2.market")]


def quality(view: View) -> str:
    """Return how well each account was measured."""
    words = view.words
    heads = [*map(words, ("account", "measured", "estimated", "records", "qualities", "unverified"))]
    rows = []
    for each in view.summary["accounts"]:
        counts = ", ".join(f"{name}: {count:,}" for name, count in each["qualities"].items())
        mark = doubtful(words("unverified.yes")) if each.get("unverified") else text(_confidence(view, each))
        measured, estimated = percent(each["coverage"]), percent(each["estimated"])
        rows.append(
            [
                text(each["account"]),
                measured,
                estimated,
                f"{each['intervals']:,}",
                text(counts),
                "–" if each["output"] else mark,  # noqa: RUF001 -- a dash
            ]
        )
    note = words("quality.text", section=number_of("reservations"))
    return view.heading("quality") + table(heads, rows, right=(1, 2, 3), whole=(0, 5)) + paragraph(text(note), "small")


def _confidence(view: View, account: Body) -> str:
    """Return how well the factors of an account were checked, in the words of the section on factors."""
    used = (each for each in view.summary["factors"] if account["account"] in each["accounts"])
    return ", ".join(sorted({str(each.get("confidence", "")) for each in used} - {""})) or "–"  # noqa: RUF001 -- a dash


def reservations(view: View) -> str:
    """Return everything that was not plainly measured, and why."""
    words = view.words
    rows = []
    for each in view.summary["reservations"]:
        place = [text(each["account"]), *view.span(each)]
        if each.get("missing"):
            rows.append([*place, "", "", "", "0.00", doubtful(words("missing"))])
            continue
        figures = [number(each["amount"]), number(each["estimated_amount"]), text(each["unit"])]
        rows.append([*place, *figures, percent(each["coverage"]), "<br>".join(map(text, _reasons(view, each)))])
    if not rows:
        return view.heading("reservations") + paragraph(text(words("reservations.none")))
    heads = ("account", "from", "to", "amount", "estimated.amount", "unit", "measured", "why")
    shown = table([*map(words, heads)], rows, right=(3, 4, 6), whole=(0, 1, 2, 5))
    return view.heading("reservations") + paragraph(text(words("reservations.text"))) + shown


def _reasons(view: View, each: Body) -> Iterator[str]:
    if each["quality"] != "good":
        yield view.words.reason(each["quality"])
    elif each["coverage"] < 1 and not each.get("rules"):
        yield view.words("part")
    yield from map(view.words.reason, each.get("rules", ()))
    if "reason" in each:
        yield view.words.reason(each["reason"])
    yield from each.get("said", ())


def revised(view: View) -> str:
    """Return what was recorded again, and why."""
    words = view.words
    rows = [
        [
            text(each["account"]),
            *view.span(each),
            f"{each['revisions']:,}",
            text(words.reason(each["reason"])),
        ]
        for each in view.summary["revised"]
    ]
    if not rows:
        return view.heading("revised") + paragraph(text(words("revised.none")))
    shown = table([*map(words, ("account", "from", "to", "revisions", "why"))], rows, right=(3,), whole=(1, 2))
    return view.heading("revised") + paragraph(text(words("revised.text"))) + shown


def factors(view: View) -> str:
    """Return every factor with its source."""
    words, rows = view.words, []
    for each in view.summary["factors"]:
        name = f"{text(each['set'])}<br>{text(each['id'])}"
        name += f"<br>{text(words('factor.market'))}" if each.get("market") else ""
        value = f"{each['value']:.10g}" if "value" in each else "–"  # noqa: RUF001 -- a dash
        value = f"{text(value)}<br>{text(each.get('unit', ''))}"
        title = each.get("title_zh" if words.language == "zh-CN" else "title", "")
        source = [text(part) for part in (title, each.get("source"), each.get("note")) if part]
        source += [text(words(f"factor.{key}", value=each[key])) for key in _VALIDITY if key in each]
        source.append(code(_document(view, each)))
        if each.get("other_version"):
            source.append(doubtful(words("factor.other")))
        confidence = str(each.get("confidence", ""))
        shown = doubtful(f"? {confidence}") if "unverified" in confidence else text(confidence)
        used = f"{text(', '.join(each['accounts']))}<br>{text(view.short(each['first'])[:10])}"
        last = view.short(each["last"])[:10]
        used += f" … {text(last)}" if last != view.short(each["first"])[:10] else ""
        rows.append([name, value, "<br>".join(source), shown, used])
    note = paragraph(text(words("factors.text")))
    return view.heading("factors") + note + table([*map(words, _FACTOR_COLUMNS)], rows) + _coal(view)


def _document(view: View, factor: Body) -> str:
    """Return the file of a factor's set in the bundle; its version, where that is of another file or of none."""
    begin = str(factor["version"]).removeprefix("sha256:")
    found = (str(each["sha256"]) for each in view.head["documents"] if each["what"] == "factors")
    return next((f"documents/{sha256}" for sha256 in found if sha256.startswith(begin)), str(factor["version"]))


def _coal(view: View) -> str:
    """Return what the standard coal of the accounts was worked out by."""
    words, rows = view.words, []
    for each in view.summary["coal"]:
        source, value = [text(each["source"])], [text(f"{each['kgce']:.10g}")]
        if "equivalent" in each:
            source.append(text(words("coal.equivalent", source=each["equivalent_source"])))
            value.append(text(f"{each['equivalent']:.10g}"))
        rows.append([text(", ".join(each["accounts"])), "<br>".join(value), text(each["unit"]), "<br>".join(source)])
    heads = [*map(words, ("used", "coal.value", "unit", "source"))]
    title = f"<h3>{text(words('coal'))}</h3>\n" + paragraph(text(words("coal.text")))
    return title + table(heads, rows, right=(1,)) if rows else ""


def meters(view: View) -> str:
    """Return the meters with their certificates."""
    words, rows = view.words, []
    for each in view.summary["meters"]:
        held = [_certificate(view, certificate) for certificate in each["calibration"]]
        state = words(f"state.{each['state']}")
        rows.append(
            [
                f"{text(each['device'])}<br>{text(each['area'])}",
                f"{text(each['model'])}<br>{text(each['profile_source'])}",
                text(", ".join(each["accounts"])),
                "<br>".join(held) or "–",  # noqa: RUF001 -- a dash
                text(state) if each["state"] == "valid" else doubtful(state),
            ]
        )
    heads = [*map(words, ("meter", "model", "used", "certificate", "state"))]
    return view.heading("meters") + paragraph(text(words("meters.text"))) + table(heads, rows, whole=(4,))


def _certificate(view: View, certificate: Body) -> str:
    since = view.words("certificate.since", **certificate) if "calibrated" in certificate else ""
    return text(view.words("certificate.value", since=since, **certificate))


def doubts(view: View) -> list[str]:
    """Return in words what must be known before a figure is used."""
    summary, words = view.summary, view.words
    kept = [each for each in summary["accounts"] if not each["output"]]
    counts = {
        "doubt.estimated": ([each for each in kept if each["estimated"]], kept, "reservations"),
        "doubt.coverage": ([each for each in kept if each["coverage"] < 1], kept, "reservations"),
        "doubt.meters": (
            [each for each in summary["meters"] if each["state"] != "valid"],
            summary["meters"],
            "meters",
        ),
    }
    found = [
        words(key, count=len(some), all=len(whole), section=number_of(section))
        for key, (some, whole, section) in counts.items()
        if some
    ]
    if any(each.get("unverified") for each in summary["accounts"]):
        found.append(words("doubt.unverified", section=number_of("factors")))
    found += [words(key, section=number_of("captures")) for key in _doubts_of_captures(summary)]
    found += [words(key, section=number_of("chain")) for key in _doubts_of_gaps(summary["gaps"])]
    if not summary["seals"]:
        found.append(words("doubt.unsealed_all"))
    elif summary["unsealed"]:
        found.append(words("doubt.unsealed", count=summary["unsealed"]))
    if twice := _several(kept):
        found.append(words("doubt.twice", carriers=", ".join(twice)))
    if view.head.get("documents_of_today"):
        found.append(words("doubt.documents"))
    return found


def _doubts_of_captures(summary: Body) -> Iterator[str]:
    captures = summary["captures"]
    unnamed = any(each["held"] and not each["recorded"] for each in captures)
    if not captures or any(not each["held"] for each in captures) or (summary["uncaptured"] and not unnamed):
        yield "doubt.capture"
    elif summary["uncaptured"]:
        yield "doubt.unnamed"


def _doubts_of_gaps(gaps: Iterable[Body]) -> Iterator[str]:
    """Yield what gaps come from; a gap of no kinds is what the store lost unseen."""
    keys = ["doubt.gaps" if gap["kinds"] else "doubt.lost" for gap in gaps]
    yield from dict.fromkeys(keys)


def _several(accounts: list[Body]) -> list[str]:
    """Return carriers that several accounts count for the site though none of them measures all of it."""
    found = []
    for carrier in sorted({each["carrier"] for each in accounts if each["counted"] and "carrier" in each}):
        of_it = [each for each in accounts if each.get("carrier") == carrier]
        if len(of_it) > 1 and all(each["counted"] for each in of_it):
            found.append(carrier)
    return found


def doubt_box(view: View) -> str:
    """Return the list of doubts."""
    found = doubts(view)
    return bullets(map(text, found)) if found else paragraph(text(view.words("doubts.none")))
