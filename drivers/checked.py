"""Tables checked by pydantic: what stands in a file becomes a declared table, or every mistake in it is told.

Only reading files needs this module: see `drivers.declared`.
"""

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticUndefined

from drivers.declared import REQUIRED, After, Before, Declared, Instead, Table, Within, Written
from drivers.document import Document, Key, Problem, nearest

_Checked = TypeVar("_Checked", bound=Table | BaseModel)
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
        known = _known_keys(model_of(kind), item["loc"][:-1])
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


def _known_keys(model: type[BaseModel], loc: Iterable[Key]) -> list[str]:
    """Return the keys allowed at `loc` inside a model, following nested models as far as they are plain."""
    current: Any = model
    for part in loc:
        if isinstance(part, str) and isinstance(current, type) and issubclass(current, BaseModel):
            fields = {field.alias or name: field for name, field in current.model_fields.items()}
            current = fields[part].annotation if part in fields else current
        models = [
            arg for arg in getattr(current, "__args__", ()) if isinstance(arg, type) and issubclass(arg, BaseModel)
        ]
        current = models[0] if models else current
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def validated(kind: type[_Checked], data: Any) -> _Checked:
    """Return what `data` says as a table; raise pydantic's ValidationError with every mistake."""
    # The model's outermost validator makes the table.
    checked: Any = model_of(kind).model_validate(data)
    return checked  # type: ignore[no-any-return]


_MODELS: dict[type[Table], type[BaseModel]] = {}


def model_of(kind: type[Any]) -> type[BaseModel]:
    """Return the pydantic model by which a table is checked; models of pydantic's own stand for themselves."""
    if not issubclass(kind, Table):
        return kind
    if kind not in _MODELS:
        _MODELS[kind] = _model(kind)
    return _MODELS[kind]


def _model(kind: type[Table]) -> type[BaseModel]:
    fields: dict[str, Any] = {name: _field(each) for name, each in kind.declared.items()}
    validators: dict[str, Any] = {"becomes_a_table": model_validator(mode="wrap")(_becoming(kind))}
    if kind.printable:
        validators["printable"] = field_validator("*", mode="before")(_printable)
    return create_model(
        kind.__name__,
        __config__=ConfigDict(extra="ignore" if kind.open else "forbid", strict=kind.strict, defer_build=True),
        __module__=kind.__module__,
        __doc__=kind.__doc__,
        __validators__=validators,
        **fields,
    )


def _becoming(kind: type[Table]) -> Any:
    def become(_: Any, data: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(data, kind):
            return data
        model = handler(kind.prepared(data))
        return kind.made({name: getattr(model, name) for name in kind.declared if name in model.model_fields_set})

    return classmethod(become)


def _printable(value: object) -> object:
    # Deep in the system, where such a path or name fails, nobody can say which key it was.
    if isinstance(value, str) and any(character < " " for character in value):
        raise ValueError(f"holds a control character: {value!r}")
    return value


def _field(each: Declared) -> tuple[Any, Any]:
    default = PydanticUndefined if each.key.default is REQUIRED else each.key.default
    return type_of(each.annotation), Field(default, alias=each.key.alias, **each.key.bounds)


def type_of(annotation: Any) -> Any:
    """Return a declared type as pydantic knows it."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return model_of(annotation)
    if get_origin(annotation) is Annotated:
        kind, *parts = get_args(annotation)
        return Annotated[(type_of(kind), *map(_part, parts))]
    if get_origin(annotation) in {Union, types.UnionType}:
        return Union[tuple(map(type_of, get_args(annotation)))]  # noqa: UP007  # made of types that are known only now
    if get_origin(annotation) in {tuple, list, dict}:
        return get_origin(annotation)[tuple(map(type_of, get_args(annotation)))]
    return annotation


def _part(part: Any) -> Any:
    if isinstance(part, Within):
        return Field(**part.bounds)
    if isinstance(part, Written):
        return WithJsonSchema(dict(part.schema))
    kinds: dict[type, Any] = {Before: BeforeValidator, After: AfterValidator, Instead: PlainValidator}
    return kinds[type(part)](part.judge)
