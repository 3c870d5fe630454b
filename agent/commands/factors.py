"""`energy-agent factors`: which factors there are, from where, and how far they can be trusted."""

from dataclasses import asdict
from typing import Any

from agent.carbon.errors import CarbonError
from agent.carbon.factor_file import FactorSet
from agent.carbon.factors import FactorLibrary
from agent.commands.outcome import CommandError, Exit, print_json, print_table, print_text


def factors(name: str | None, *, as_json: bool) -> Exit:
    """List the factor sets, or show one with every value, source and confidence."""
    library = FactorLibrary.load()
    if name is None:
        summaries = library.sets()
        if as_json:
            print_json([asdict(summary) for summary in summaries])
            return Exit.DONE
        rows = [
            (entry.id, entry.title, entry.issuer, entry.issued, entry.effective, entry.factors, entry.unverified)
            for entry in summaries
        ]
        headings = ("set", "title", "issuer", "issued", "effective", "factors", "unverified")
        print_table("Factor sets", headings, rows)
        return Exit.DONE
    try:
        chosen = library.get(name)
    except CarbonError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json(_json(chosen))
    else:
        _show(chosen)
    return Exit.DONE


def _json(chosen: FactorSet) -> dict[str, Any]:
    head = {
        key: getattr(chosen, key)
        for key in ("id", "title", "title_zh", "issuer", "source", "issued", "effective", "expires", "note", "version")
    }
    rows = [{**asdict(row), "co2_t_per_unit": row.co2} for row in chosen.rows.values()]
    return {**head, "rows": rows, "grid": [asdict(row) for row in chosen.grid]}


def _show(chosen: FactorSet) -> None:
    valid = f"issued {chosen.issued}, effective {chosen.effective}" + (
        f", expired {chosen.expires}" if chosen.expires else ""
    )
    print_text(f"{chosen.id}: {chosen.title} / {chosen.title_zh}\nissuer: {chosen.issuer}; {valid}")
    print_text(f"source: {chosen.source}")
    if chosen.note:
        print_text(f"note: {chosen.note}")
    if chosen.rows:
        headings = (
            "id",
            "中文",
            "unit",
            "NCV",
            "NCV unit",
            "tC/GJ",
            "oxidation",
            "tCO2/unit",
            "kgce/unit",
            "confidence",
        )
        print_table(
            "Fuels, energy and media",
            headings,
            [
                (row.id, row.zh, row.unit, row.ncv, row.ncv_unit, row.carbon_content, row.oxidation,
                 None if row.co2 is None else round(row.co2, 4), row.kgce, row.confidence)
                for row in chosen.rows.values()
            ],
        )  # fmt: skip
    if chosen.grid:
        print_table(
            "Electricity",
            ("kind", "region", "data year", "value", "unit", "confidence"),
            [(row.kind, row.region, str(row.year), row.value, row.unit, row.confidence) for row in chosen.grid],
        )
