"""What all tables of a configuration have in common: how they are read, and the names in them."""

import re
from typing import Annotated, ClassVar

from drivers.declared import After, Table

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


Name = Annotated[str, After(_name)]
AccountName = Annotated[str, After(_account_name)]


class Section(Table):
    """Base of the tables of the file: unknown keys are errors, nothing changes after loading."""

    printable: ClassVar[bool] = True
