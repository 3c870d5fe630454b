"""Notes that say what no agent would have noted: told of as what they are, with their place."""

from collections.abc import Iterator
from contextlib import contextmanager

from agent.saved import UnreadableError
from agent.tape.notes import TapeError

_NONSENSE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    UnreadableError,
    ValueError,
)
"""Whatever values may do to those who go by them: a capture may come from anybody."""


@contextmanager
def making_sense(kind: str, place: object) -> Iterator[None]:
    """Raise TapeError where a note of a kind, at a place, cannot be gone by."""
    try:
        yield
    except _NONSENSE as error:
        what = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
        raise TapeError(f"{place}: a note '{kind}' makes no sense ({what}): the capture was altered") from error
