"""Values that travel: frozen dataclasses of which several are made for each poll."""

from dataclasses import MISSING, Field, field, fields, make_dataclass
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type)


def travelling(cls: _Class) -> _Class:
    """Let a frozen dataclass be made as fast as one that is not: 0.1 instead of 0.7 us.

    Nothing keeps it from being changed but the type checker, which sees it as frozen all the same.
    """
    plain: Any = make_dataclass(cls.__name__, [(each.name, each.type, _declared(each)) for each in fields(cls)])
    setattr(cls, "__init__", plain.__init__)  # noqa: B010  # mypy takes no assignment
    for guard in ("__setattr__", "__delattr__"):
        delattr(cls, guard)
    return cls


def _declared(each: Field[Any]) -> Any:
    return (
        field(default=each.default) if each.default_factory is MISSING else field(default_factory=each.default_factory)
    )
