"""Declared tables as models of pydantic, of which their JSON Schema is made.

Only descriptions need this module: files are checked by `drivers.checked`.
"""

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    create_model,
    field_validator,
)
from pydantic_core import PydanticUndefined

from drivers.checked import printable
from drivers.declared import REQUIRED, After, Before, Declared, Instead, Table, Within, Written

_MODELS: dict[type[Table], type[BaseModel]] = {}


def model_of(kind: type[Table]) -> type[BaseModel]:
    """Return a table as a model, without its rules."""
    if kind not in _MODELS:
        _MODELS[kind] = _model(kind)
    return _MODELS[kind]


def _model(kind: type[Table]) -> type[BaseModel]:
    fields: dict[str, Any] = {name: _field(each) for name, each in kind.declared.items()}
    named = {"printable": field_validator("*", mode="before")(printable)} if kind.printable else {}
    return create_model(
        kind.__name__,
        __config__=ConfigDict(extra="ignore" if kind.open else "forbid", strict=kind.strict, defer_build=True),
        __module__=kind.__module__,
        __doc__=kind.__doc__,
        __validators__=named,
        **fields,
    )


def _field(each: Declared) -> tuple[Any, Any]:
    default = PydanticUndefined if each.key.default is REQUIRED else each.key.default
    return _type_of(each.annotation), Field(default, alias=each.key.alias, **each.key.bounds)


def _type_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return model_of(annotation)
    if get_origin(annotation) is Annotated:
        kind, *parts = get_args(annotation)
        judged = Any if isinstance(parts[0], Instead) else _type_of(kind)
        return Annotated[(judged, *map(_part, parts))]
    if get_origin(annotation) in {Union, types.UnionType}:
        return Union[tuple(map(_type_of, get_args(annotation)))]  # noqa: UP007  # made of types that are known only now
    if get_origin(annotation) in {tuple, list, dict}:
        return get_origin(annotation)[tuple(map(_type_of, get_args(annotation)))]
    return annotation


def _part(part: Any) -> Any:
    if isinstance(part, Within):
        return Field(**part.bounds)
    if isinstance(part, Written):
        return WithJsonSchema(dict(part.schema))
    kinds: dict[type, Any] = {Before: BeforeValidator, After: AfterValidator, Instead: PlainValidator}
    return kinds[type(part)](part.judge)
