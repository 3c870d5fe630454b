"""Values that travel: frozen dataclasses, of some of which several are made for each poll."""

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields, make_dataclass
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

_Class = TypeVar("_Class", bound=type)


@overload
def frozen(cls: _Class, /) -> _Class: ...


@overload
def frozen(*, kw_only: bool = False) -> Callable[[_Class], _Class]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: Any = None, /, *, kw_only: bool = False) -> Any:
    """Make a class what `dataclass(frozen=True, slots=True)` makes of it, in 7 kB instead of 15.

    That one writes six methods for each class, and two of them keep the class it was made from. Here all classes share
    what is not their own.
    """
    return partial(_made, kw_only=kw_only) if cls is None else _made(cls)


def _made(cls: Any, *, kw_only: bool = False) -> Any:
    own = vars(cls)
    made: Any = dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=kw_only)(cls)
    compared = [each.name for each in fields(made) if each.compare]
    shared = {"_compared": staticmethod(_getter(compared)), "__repr__": _repr, "__eq__": _eq, "__hash__": _hash}
    for name, method in shared.items():
        # A class that says how it is compared and not how it is hashed has None for the latter, written by Python.
        if own.get(name) is None:
            setattr(made, name, method)
    made.__setattr__, made.__delattr__ = _refuse, _refuse
    return made


def _getter(names: list[str]) -> Callable[[Any], Any]:
    """Return what gives the fields of an object that it is compared by."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _refuse(_: Any, name: str, *_value: Any) -> None:
    raise FrozenInstanceError(f"{name} cannot be changed")


def _eq(self: Any, other: Any) -> Any:
    return self._compared(self) == self._compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(self._compared(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


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
