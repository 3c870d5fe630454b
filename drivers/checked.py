"""Tables checked by pydantic: what stands in a file becomes a declared table, or every mistake in it is told.

Only reading files needs this module: see `drivers.declared`. It needs pydantic's core alone, which is given what
pydantic would make of a model: that takes a tenth of the time. `drivers.modelled` has the models, for descriptions.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic_core import SchemaValidator, ValidationError

from drivers.declared import REQUIRED, After, Before, Declared, Instead, Table, Within
from drivers.document import Document, Key, Problem, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

_Checked = TypeVar("_Checked", bound="Table | BaseModel")
_Schema = dict[str, Any]
"""What pydantic's core is given, see `pydantic_core.core_schema`."""
_BOUNDS = {
    "greater_than_equal": ("ge", "is too little", "{} or more"),
    "greater_than": ("gt", "is too little", "more than {}"),
    "less_than_equal": ("le", "is too much", "{} or less"),
    "less_than": ("lt", "is too much", "less than {}"),
}
"""What is said of a number beyond a bound: where pydantic gives the bound, what is wrong, and what is right."""


def check(document: Document, kind: type[_Checked], data: Any, *keys: Key) -> tuple[_Checked | None, list[Problem]]:
    """Check `data`, which stands at `keys` of a document; return it as a table, or None and every problem."""
    try:
        return validated(kind, data), []
    except ValidationError as error:
        items = error.errors(include_url=False)
        # A list whose only entry is wrong is not also too short.
        wrong = {item["loc"][:-1] for item in items if item["loc"]}
        told = [item for item in items if item["type"] != "too_short" or item["loc"] not in wrong]
        return None, [_translated(document, kind, item, keys) for item in told]


def _translated(document: Document, kind: type[Any], item: Mapping[str, Any], keys: tuple[Key, ...]) -> Problem:
    # pydantic adds the tag of a union's member to the path; such parts stand nowhere in the file.
    path = (*keys, *item["loc"])
    name = _dotted(path)
    where = f" in [{_dotted(path[:-1])}]" if _dotted(path[:-1]) else ""
    if item["type"] == "extra_forbidden":
        known = _known_keys(kind, item["loc"][:-1])
        return document.problem(path, f"unknown key '{path[-1]}'{where}", nearest(str(path[-1]), known))
    if item["type"] == "missing":
        return document.problem(path[:-1], f"'{path[-1]}' is missing{where}", "add it")
    if item["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return document.problem(path, f"{name}: must be a table", "write { key = value }")
    if item["type"] in _BOUNDS:
        bound, wrong, right = _BOUNDS[item["type"]]
        return document.problem(path, f"{name}: {item['input']} {wrong}", f"use {right.format(item['ctx'][bound])}")
    what, _, remedy = str(item["msg"]).removeprefix("Value error, ").partition("; ")
    return document.problem(path, f"{name}: {what[:1].lower()}{what[1:]}" if name else what, remedy)


def _dotted(path: Iterable[Key]) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _known_keys(kind: type[Any], loc: Iterable[Key]) -> list[str]:
    """Return the keys allowed at `loc` inside a table, following nested tables as far as they are plain."""
    current: Any = kind
    for part in loc:
        if isinstance(part, str):
            current = _keys(current).get(part, current)
        tables = [each for each in get_args(current) if _keys(each)]
        current = tables[0] if tables else current
    return [*_keys(current)]


def _keys(kind: Any) -> dict[str, Any]:
    """Return the keys of a table, as a file calls them, and their types; none for another type."""
    if _is_table(kind):
        return {each.key.alias or name: each.annotation for name, each in kind.declared.items()}
    fields = getattr(kind, "model_fields", {})
    return {field.alias or name: field.annotation for name, field in fields.items()}


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)


def validated(kind: type[_Checked], data: Any) -> _Checked:
    """Return what `data` says as a table; raise pydantic's ValidationError with every mistake.

    Models of pydantic's own stand for themselves.
    """
    if not issubclass(kind, Table):
        return kind.model_validate(data)
    if kind not in _VALIDATORS:
        _VALIDATORS[kind] = SchemaValidator(schema_of(kind), {"title": kind.__name__})
    checked: _Checked = _VALIDATORS[kind].validate_python(data)
    return checked


_VALIDATORS: dict[type[Table], SchemaValidator] = {}


class _Read:
    """What stands in a file of a table, right key by key: pydantic's core writes these attributes."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")


def _table(kind: type[Table]) -> _Schema:
    read = {
        "type": "model",
        "cls": type(kind.__name__, (_Read,), {}),
        "config": {
            "title": kind.__name__,
            "extra_fields_behavior": "ignore" if kind.open else "forbid",
            "strict": kind.strict,
        },
        "schema": {
            "type": "model-fields",
            "model_name": kind.__name__,
            "fields": {name: _field(each, named=kind.printable) for name, each in kind.declared.items()},
        },
    }
    return _judged("function-wrap", _becoming(kind), read)


def _becoming(kind: type[Table]) -> Callable[[Any, Callable[[Any], Any]], Table]:
    def become(data: Any, handler: Callable[[Any], Any]) -> Table:
        if isinstance(data, kind):
            return data
        read = handler(kind.prepared(data))
        return kind.made({name: value for name, value in vars(read).items() if name in read.__pydantic_fields_set__})

    return become


def _field(each: Declared, *, named: bool) -> _Schema:
    schema = schema_of(each.annotation)
    if each.key.bounds:
        schema = _bounded(schema, each.key.bounds)
    if named:
        schema = _judged("function-before", printable, schema)
    if each.key.default is not REQUIRED:
        schema = {"type": "default", "schema": schema, "default": each.key.default}
    alias = {"validation_alias": each.key.alias} if each.key.alias else {}
    return {"type": "model-field", "schema": schema, **alias}


def printable(value: object) -> object:
    """Return a value; raise ValueError for a text with control characters."""
    # Deep in the system, where such a path or name fails, nobody can say which key it was.
    if isinstance(value, str) and any(character < " " for character in value):
        raise ValueError(f"holds a control character: {value!r}")
    return value


_PLAIN: Mapping[Any, _Schema] = {
    Any: {"type": "any"},
    bool: {"type": "bool"},
    date: {"type": "date"},
    datetime: {"type": "datetime", "microseconds_precision": "truncate"},
    Decimal: {"type": "decimal"},
    float: {"type": "float"},
    int: {"type": "int"},
    str: {"type": "str"},
    time: {"type": "time", "microseconds_precision": "truncate"},
}


def schema_of(annotation: Any) -> _Schema:
    """Return a declared type as pydantic's core knows it; raise TypeError for a type that no table has yet."""
    if _is_table(annotation):
        return _table(annotation)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return {"type": "enum", "cls": annotation, "members": [*annotation], "sub_type": "str"}
    found = _PLAIN.get(annotation) or _made_of(get_origin(annotation), get_args(annotation))
    if not found:
        raise TypeError(f"{annotation} is no type of a key")
    return found


def _made_of(origin: Any, parts: tuple[Any, ...]) -> _Schema | None:
    """Return a type that is made of others, None for one that is not known."""
    made: _Schema | None = None
    if origin is Annotated:
        made = _annotated(*parts)
    elif origin is Literal:
        made = {"type": "literal", "expected": [*parts]}
    elif origin in {Union, UnionType} and parts[1:] == (NoneType,):
        made = {"type": "nullable", "schema": schema_of(parts[0])}
    elif origin is tuple and parts[-1] is ...:
        made = {"type": "tuple", "items_schema": [schema_of(parts[0])], "variadic_item_index": 0}
    elif origin is tuple:
        made = {"type": "tuple", "items_schema": [*map(schema_of, parts)]}
    elif origin is list:
        made = {"type": "list", "items_schema": schema_of(parts[0])}
    elif origin is dict:
        made = {"type": "dict", "keys_schema": schema_of(parts[0]), "values_schema": schema_of(parts[1])}
    return made


def _annotated(kind: Any, *parts: Any) -> _Schema:
    if isinstance(parts[0], Instead):
        return {"type": "function-plain", "function": {"type": "no-info", "function": parts[0].judge}}
    schema = schema_of(kind)
    for part in parts:
        if isinstance(part, Within):
            schema = _bounded(schema, part.bounds)
        elif isinstance(part, Before | After):
            schema = _judged("function-before" if isinstance(part, Before) else "function-after", part.judge, schema)
    return schema


def _judged(how: str, judge: Callable[..., Any], schema: _Schema) -> _Schema:
    return {"type": how, "function": {"type": "no-info", "function": judge}, "schema": schema}


def _bounded(schema: _Schema, bounds: Mapping[str, Any]) -> _Schema:
    """Return a schema with bounds; those of what may be left out are bounds of what is given."""
    if schema["type"] == "nullable":
        return {**schema, "schema": _bounded(schema["schema"], bounds)}
    if schema["type"].startswith("function"):
        raise TypeError("bounds stand before what judges a value, or they would be bounds of something else")
    return {**schema, **bounds}
