"""What all tables of a configuration have in common: how they are read, and the names in them."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

_RESERVED = frozenset({"agent", "site"})


def _name(value: str) -> str:
    if not value or value.strip("abcdefghijklmnopqrstuvwxyz0123456789-"):
        raise ValueError(f"'{value}' cannot be part of a topic; use only a-z, 0-9 and '-'")
    if value in _RESERVED:
        raise ValueError(f"'{value}' is reserved; choose another name")
    return value


def _account_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9][a-z0-9_-]*", value):
        raise ValueError(f"'{value}' is no name of an account; write device/word, such as 'boiler-1/natural_gas'")
    return value


Name = Annotated[str, AfterValidator(_name)]
AccountName = Annotated[str, AfterValidator(_account_name)]


_GIVEN: dict[frozenset[str], set[str]] = {}


class Section(BaseModel):
    """Base of the tables of the file: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, defer_build=True)

    def model_post_init(self, _context: Any, /) -> None:
        """Share with all tables alike what says which keys were given: 900 bytes for a line and a device."""
        given = _GIVEN.setdefault(frozenset(self.model_fields_set), self.model_fields_set)
        object.__setattr__(self, "__pydantic_fields_set__", given)

    @field_validator("*", mode="before")
    @classmethod
    def _printable(cls, value: object) -> object:
        # Deep in the system, where such a path or name fails, nobody can say which key it was.
        if isinstance(value, str) and any(character < " " for character in value):
            raise ValueError(f"holds a control character: {value!r}")
        return value
