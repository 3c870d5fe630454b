"""`energy-agent factors`: which factors there are, from where, and how far they can be trusted."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from agent.carbon.errors import CarbonError
from agent.carbon.factor_set import FactorSet, GridRow, Gwp, Row
from agent.carbon.factors import FactorLibrary
from agent.carbon.library import load_library
from agent.commands.factor_comparison import differences, only_in
from agent.commands.outcome import CommandError, Exit, print_json
from agent.commands.table import print_table, print_text
from agent.config.load import load_config

_LEGEND = "? unverified: not, or not wholly, checked against its source"


def factors(
    name: str | None, *, compare: tuple[str, str] | None = None, config: Path | None = None, as_json: bool
) -> Exit:
    """List the factor sets, show one with every value, source and confidence, or compare two.

    With a configuration, the plant's own sets are among them.
    """
    if name is not None and compare is not None:
        raise CommandError("NAME and --compare: give one of them, and names with spaces in quotes")
    library = load_config(config).library if config else load_library()
    if compare is not None:
        return _compare(library, *compare, as_json=as_json)
    if name is None:
        summaries = library.sets()
        if as_json:
            print_json([asdict(summary) for summary in summaries])
            return Exit.DONE
        rows = [
            (
                entry.id,
                _stated(entry.issued),
                entry.factors,
                entry.unverified or None,
                f"{entry.title} ({entry.issuer})",
            )
            for entry in summaries
        ]
        print_table("Factor sets", ("set", "issued", "factors", "?", "title and issuer"), rows)
        print_text(_LEGEND)
        return Exit.DONE
    chosen = _chosen(library, name)
    if as_json:
        print_json(_json(chosen))
    else:
        _show(chosen)
    return Exit.DONE


def _chosen(library: FactorLibrary, name: str) -> FactorSet:
    try:
        return library.get(name)
    except CarbonError as error:
        raise CommandError(str(error)) from error


def _compare(library: FactorLibrary, name: str, other: str, *, as_json: bool) -> Exit:
    """Print how much more the second set says than the first, and what only one of them has."""
    first, second = _chosen(library, name), _chosen(library, other)
    found = differences(first, second)
    left, right = only_in(first, second), only_in(second, first)
    if as_json:
        figures = [{**asdict(each), "percent": each.percent} for each in found]
        print_json(
            {"first": first.id, "second": second.id, "figures": figures, "only_first": left, "only_second": right}
        )
        return Exit.DONE
    rows = [
        (each.id, each.figure, each.unit, f"{each.first:.5g}", f"{each.second:.5g}", _percent(each.percent))
        for each in found
    ]
    columns = ("id", "figure", "unit", first.id, second.id, "%")
    print_table(f"{second.id} against {first.id}", columns, rows, right=columns[3:])
    for chosen, names in ((first, left), (second, right)):
        if names:
            print_text(f"only in {chosen.id}: {', '.join(names)}")
    return Exit.DONE


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _json(chosen: FactorSet) -> dict[str, Any]:
    head = {
        key: getattr(chosen, key)
        for key in ("id", "title", "title_zh", "issuer", "source", "issued", "effective", "expires", "note", "version")
    }
    rows = [{**asdict(row), "co2_t_per_unit": row.co2} for row in chosen.rows.values()]
    return {
        **head,
        "rows": rows,
        "grid": [asdict(row) for row in chosen.grid],
        "gwp": [asdict(row) for row in chosen.gwp],
    }


def _show(chosen: FactorSet) -> None:
    print_text(f"{chosen.id}: {chosen.title} / {chosen.title_zh}")
    expired = f", expired {chosen.expires}" if chosen.expires else ""
    print_text(
        f"issuer: {chosen.issuer}; issued {_stated(chosen.issued)}, effective {_stated(chosen.effective)}{expired}"
    )
    print_text(f"source: {chosen.source}")
    if chosen.note:
        print_text(f"note: {chosen.note}")
    if chosen.rows:
        _show_rows(list(chosen.rows.values()))
    if chosen.grid:
        print_table(
            "\nElectricity",
            ("kind", "region", "year", "value", "unit", ""),
            [
                (row.kind, row.region, str(row.year), f"{row.value:.4f}", row.unit, _mark(row.confidence))
                for row in chosen.grid
            ],
            right=("value",),
        )
    if chosen.gwp:
        print_table(
            "\nGlobal warming potentials, kgCO2e/kg",
            ("report", "CH4", "N2O", ""),
            [(row.name, row.ch4, row.n2o, _mark(row.confidence)) for row in chosen.gwp],
            right=("CH4", "N2O"),
        )
    figures: list[Row | GridRow | Gwp] = [*chosen.rows.values(), *chosen.grid, *chosen.gwp]
    of_gases = {f"{row.gas_confidence} (CH4, N2O)" for row in chosen.rows.values() if row.gas_confidence}
    confidences = sorted({row.confidence for row in figures} | of_gases)
    if confidences:
        print_text(f"{_LEGEND}; confidence here: {', '.join(confidences)}")


def _show_rows(rows: list[Row]) -> None:
    """Print fuels, energy and media; the units of a row's figures are all per its own unit."""
    gases = any(row.ch4 is not None or row.n2o is not None for row in rows)
    of_gases = ("CH4 kg/TJ", "N2O kg/TJ") if gases else ()
    columns = ("id", "per", "NCV", "tC/GJ", "oxid.", "t CO2", *of_gases, "kgce", "", "中文")
    print_table(
        "\nFuels, energy and media",
        columns,
        [
            (
                row.id,
                row.unit,
                "" if row.ncv is None else f"{row.ncv:g} {row.ncv_unit.partition('/')[0]}",
                row.carbon_content,
                row.oxidation,
                "" if row.co2 is None else f"{row.co2:.4f}",
                *((row.ch4, row.n2o) if gases else ()),
                row.kgce,
                _mark(row.confidence),
                row.zh,
            )
            for row in rows
        ],
        right=("NCV", "tC/GJ", "oxid.", "t CO2", *of_gases, "kgce"),
    )


def _stated(day: date | None) -> str:
    return "not stated" if day is None else str(day)


def _mark(confidence: str) -> str:
    return "?" if "unverified" in confidence else ""
