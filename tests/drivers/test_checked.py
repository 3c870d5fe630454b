"""What checks a table is what pydantic makes of a model of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from agent.carbon.factor_file import _SetEntry
from agent.sections.tables import LISTS, TABLES, VARIANTS
from drivers.checked import schema_of
from drivers.declared import Table
from drivers.entry import AccountEntry, PointEntry, ProfileEntry
from drivers.modelled import model_of

_LEFT_OUT = ("metadata", "ref", "json_schema_input_schema", "serialization", "serialization_alias", "computed_fields")
"""What says how a value is described or written."""
_KINDS = {
    *TABLES.values(),
    *LISTS.values(),
    *(kind for kinds in VARIANTS.values() for kind in kinds.values()),
    *(_SetEntry, ProfileEntry, PointEntry, AccountEntry),
}


def _bare(schema: Any, known: Mapping[str, Any]) -> Any:
    """Return a schema without what checks nothing, and without what makes a table of what was read."""
    if isinstance(schema, list):
        return [_bare(each, known) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "definitions":
        return _bare(schema["schema"], {each["ref"]: each for each in schema["definitions"]})
    if schema.get("type") == "definition-ref":
        return _bare(known[schema["schema_ref"]], known)
    if schema.get("type") == "function-wrap":
        return _bare(schema["schema"], known)
    bare = {name: _bare(each, known) for name, each in schema.items() if name not in _LEFT_OUT}
    if schema.get("type") == "model":
        bare["cls"] = schema["cls"].__name__
        bare |= {"custom_init": False, "root_model": False}
    return bare


@pytest.mark.parametrize("kind", sorted(_KINDS, key=str))
def test_a_table_is_checked_as_a_model_of_it_would_be(kind: type[Table]) -> None:
    model: Any = model_of(kind)
    model.model_rebuild()

    assert _bare(schema_of(kind), {}) == _bare(model.__pydantic_core_schema__, {})


def test_an_error_names_the_table_it_is_about() -> None:
    with pytest.raises(ValueError, match="error for AccountEntry\n"):
        AccountEntry.from_file({"carrier": "water", "from": "water_volume"})
