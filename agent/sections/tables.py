"""The tables of a configuration file, each validated by itself, and the problems found on the way."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic_core import ValidationError

from agent.sections import (
    AccountSection,
    AuditSection,
    CaptureSection,
    CarbonSection,
    DeviceSection,
    FuelSection,
    GreenPowerSection,
    HttpSection,
    IntensitySection,
    IntervalSection,
    LineSection,
    OutputSection,
    SiteSection,
    StoreSection,
    WindowsSection,
)
from agent.sections.equipment import EQUIPMENT, EquipmentSection
from agent.sections.influx import InfluxConfig
from agent.sections.meter import InitialReadingSection, ReplacementSection
from agent.sections.mqtt import MqttConfig
from agent.sections.output import TargetSection
from agent.sections.tariff import CalendarSection, TariffSection
from agent.sections.virtual import BalanceSection, ShiftSection, VirtualSection
from agent.sections.warning import AlarmSection, BudgetSection
from drivers.checked import check, validated
from drivers.declared import Table
from drivers.document import Document, Problem, nearest

TABLES: dict[str, type[Table]] = {
    "site": SiteSection,
    "store": StoreSection,
    "windows": WindowsSection,
    "interval": IntervalSection,
    "mqtt": MqttConfig,
    "influx": InfluxConfig,
    "carbon": CarbonSection,
    "capture": CaptureSection,
    "audit": AuditSection,
    "http": HttpSection,
    "calendar": CalendarSection,
}
LISTS: dict[str, type[Table]] = {
    "line": LineSection,
    "device": DeviceSection,
    "account": AccountSection,
    "fuel": FuelSection,
    "green_power": GreenPowerSection,
    "output": OutputSection,
    "intensity": IntensitySection,
    "target": TargetSection,
    "equipment": EquipmentSection,
    "tariff": TariffSection,
    "replacement": ReplacementSection,
    "initial_reading": InitialReadingSection,
    "alarm": AlarmSection,
    "budget": BudgetSection,
    "shift": ShiftSection,
    "virtual": VirtualSection,
    "balance": BalanceSection,
}
VARIANTS: dict[str, Mapping[str, type[Table]]] = {"equipment": EQUIPMENT}
"""By name of a list: what its tables are by their `kind`; one of an unknown kind is held to what all have."""
_STAND_INS: dict[str, dict[str, Any]] = {"device": {"area": "unknown", "unit": 1}, "site": {"name": "unknown"}}
"""Values that let a table with a mistake in these keys still be cross-checked."""
NEEDED_LISTS = ("line", "device")
_Model = TypeVar("_Model", bound=Table)


class Parsed:
    """The tables of a file by name and position, and the problems found; `mended` are those with mistakes left out."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.mended: set[tuple[str | int, ...]] = set()
        self._tables: dict[str, Table] = {}
        self._lists: dict[str, dict[int, Table]] = {name: {} for name in LISTS}
        for key, value in document.data.items():
            self._take(key, value)
        if "site" not in document.data:
            self.report((), "[site] is missing", 'add it, with name = "…"')
        for key in NEEDED_LISTS:
            if not document.data.get(key):
                self.report((), f"there is no [[{key}]]", "add at least one")

    def _take(self, key: str, value: Any) -> None:
        if key in TABLES:
            if not isinstance(value, dict):
                self.report((key,), f"'{key}' must be one table", f"write it as [{key}]")
            elif model := self._check(TABLES[key], value, key):
                self._tables[key] = model
        elif key in LISTS:
            if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
                self.report((key,), f"'{key}' must be a list of tables", f"write each as [[{key}]]")
                return
            for index, entry in enumerate(value):
                kind = VARIANTS.get(key, {}).get(str(entry.get("kind")), LISTS[key])
                if model := self._check(kind, entry, key, index):
                    self._lists[key][index] = model
        else:
            self.report((key,), f"unknown table '{key}'", nearest(key, [*TABLES, *LISTS]))

    def _check(self, model: type[Table], value: dict[str, Any], *keys: str | int) -> Table | None:
        found, problems = check(self.document, model, value, *keys)
        self.problems += problems
        if found is not None:
            return found
        # What is right in a wrong table still takes part in the cross-checks, so that one mistake hides no other.
        self.mended.add(keys)
        wrong = {error["loc"][0] for error in _errors(model, value) if error["loc"]}
        kept = {key: entry for key, entry in value.items() if key not in wrong}
        return check(self.document, model, _STAND_INS.get(str(keys[0]), {}) | kept, *keys)[0]

    def report(self, keys: Sequence[str | int], what: str, remedy: str = "") -> None:
        """Note a problem at the place of `keys`."""
        self.problems.append(self.document.problem(keys, what, remedy))

    def table(self, key: str, model: type[_Model]) -> _Model | None:
        """Return a table that stands in the file and is right, else None."""
        found = self._tables.get(key)
        return found if isinstance(found, model) else None

    def entries(self, key: str, model: type[_Model]) -> dict[int, _Model]:
        """Return the right entries of a list of tables by their position in the file."""
        return {index: entry for index, entry in self._lists[key].items() if isinstance(entry, model)}

    def names(self, key: str) -> set[str]:
        """Return every name given in a list of tables, in wrong entries too: those are not unknown as well."""
        return {str(entry["name"]) for entry in self.raw_entries(key) if "name" in entry}

    def raw_entries(self, key: str) -> list[dict[str, Any]]:
        """Return the entries of a list of tables as they stand in the file."""
        entries = self.document.data.get(key, [])
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _errors(model: type[Table], value: dict[str, Any]) -> list[Any]:
    try:
        validated(model, value)
    except ValidationError as error:
        return list(error.errors())
    return []
