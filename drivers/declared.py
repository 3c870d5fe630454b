"""Tables of TOML files as they are declared: their keys, what each may be, and the rules between them.

`drivers.checked` checks what stands in a file against them, and needs pydantic's core for that. Nothing here does:
who is given tables that were checked elsewhere, as the running agent is, is spared it.
"""

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from inspect import get_annotations
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from drivers.value import frozen

REQUIRED: Any = object()
"""Default of a key that must be given."""
_Method = TypeVar("_Method", bound=Callable[..., None])


@frozen
class Key:
    """What is declared of a key besides its type; `bounds` are named as by pydantic: ge, lt, pattern and so on."""

    default: Any
    alias: str | None
    bounds: Mapping[str, Any]


def key(default: Any = REQUIRED, *, alias: str | None = None, **bounds: Any) -> Any:
    """Declare a key with bounds of its own, or one that the file calls by an `alias`, a word that Python reserves."""
    return Key(default, alias, bounds)


class Within:
    """Part of a type: bounds of the value."""

    def __init__(self, **bounds: Any) -> None:
        self.bounds = bounds


@frozen
class Before:
    """Part of a type: what stands in the file becomes what this returns, or is wrong for the ValueError it raises."""

    judge: Callable[[Any], Any]


@frozen
class After:
    """Part of a type: what is right by itself becomes what this returns, or is wrong for the ValueError it raises."""

    judge: Callable[[Any], Any]


@frozen
class Instead:
    """Part of a type: this alone judges the value, whatever the type says."""

    judge: Callable[[Any], Any]


class Written:
    """Part of a type: how JSON Schema describes what stands in the file."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema


def rule(method: _Method) -> _Method:
    """Mark a method that raises ValueError for a table whose keys are right one by one, but not together."""
    setattr(method, "is_rule", True)  # noqa: B010  # mypy takes no assignment
    return method


@frozen
class Declared:
    """A key of a table with all that is declared of it."""

    annotation: Any
    key: Key


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key,))
class Table:
    """Base of all tables. An object keeps the values that were given; what was not is the default of its class.

    Called with keys and values as a file gives them, a class checks them, and raises ValueError for what is wrong.
    """

    declared: ClassVar[dict[str, Declared]] = {}
    """By the name of the attribute."""
    rules: ClassVar[tuple[str, ...]] = ()
    """Names of the methods that are rules."""
    open: ClassVar[bool] = False
    """Whether keys that are not declared are ignored, instead of being mistakes."""
    strict: ClassVar[bool] = False
    """Whether a number in quotes is no number."""
    printable: ClassVar[bool] = False
    """Whether texts are names and paths, which hold no control characters."""

    def __init_subclass__(cls) -> None:
        """Note what is declared."""
        own = {name: kind for name, kind in get_annotations(cls).items() if _is_key(kind)}
        declared = dict(cls.declared)
        for name, annotation in own.items():
            given = vars(cls).get(name, REQUIRED)
            each = given if isinstance(given, Key) else Key(given, None, {})
            declared[name] = Declared(annotation, each)
            if each.default is not REQUIRED:
                setattr(cls, name, each.default)
            elif isinstance(given, Key):
                delattr(cls, name)
        cls.declared = declared
        found = (name for name, value in vars(cls).items() if getattr(value, "is_rule", False))
        cls.rules = tuple(dict.fromkeys((*cls.rules, *found)))

    def __init__(self, **given: Any) -> None:
        if given or any(each.key.default is REQUIRED for each in self.declared.values()):
            given = vars(self.from_file(given))
        vars(self).update(given)

    @classmethod
    def from_file(cls, data: Any) -> Self:
        """Return what stands in a file as a table; raise ValueError with everything that is wrong with it."""
        from drivers.checked import validated  # noqa: PLC0415  # see above

        return validated(cls, data)

    @classmethod
    def made(cls, given: Mapping[str, Any]) -> Self:
        """Return a table of values that are right one by one, by attribute; raise ValueError as its rules do."""
        table = cls.__new__(cls)
        vars(table).update(given)
        for name in cls.rules:
            getattr(table, name)()
        return table

    @classmethod
    def prepared(cls, data: Any) -> Any:
        """Return what stands in the file, before it is checked; raise ValueError for what nothing can be made of."""
        return data

    @property
    def given(self) -> frozenset[str]:
        """The keys that were given, by attribute."""
        return frozenset(vars(self))

    def with_(self, **changes: Any) -> Self:
        """Return a copy with other values of some keys, which are not checked."""
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self) | changes)
        return copied

    def values(self) -> dict[str, Any]:
        """Return every value, given or by default, by attribute."""
        return {name: getattr(self, name) for name in self.declared}

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"{name} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return self.values() == other.values() if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.values().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"


def _is_key(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is not ClassVar
