"""How far an account has been added up, and what is to be added up again."""

from collections.abc import Mapping
from dataclasses import field

from agent.saved import UnreadableError, pack, unpack
from drivers.value import mutable


@mutable
class Progress:
    """Of one account, all times Unix [ns]: intervals are recorded up to `to_ns`, periods that end by `done_ns` are too.

    `days` and `months` (by when they begin) are to be added up again, with the reason; empty where there is none.
    """

    done_ns: int
    to_ns: int = 0
    days: dict[int, str] = field(default_factory=dict)
    months: dict[int, str] = field(default_factory=dict)

    def state(self) -> bytes:
        """Return what must survive a restart."""
        days, months = ([[start, reason] for start, reason in each.items()] for each in (self.days, self.months))
        return pack(done_ns=self.done_ns, to_ns=self.to_ns, days=days, months=months)

    @staticmethod
    def restored(state: bytes) -> "Progress":
        """Return the progress that `state` came from; raise UnreadableError."""
        saved = unpack(state)
        try:
            return Progress(int(saved["done_ns"]), int(saved["to_ns"]), _times(saved["days"]), _times(saved["months"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableError(f"it lacks something ({error!r})", saved["version"]) from error


def _times(saved: list[list[object]]) -> dict[int, str]:
    return {int(str(start)): str(reason) for start, reason in saved}


def earliest(progress: Mapping[str, Progress], what: str) -> int | None:
    """Return the first of the `days` or `months` that any account has to add up again."""
    return min((start for each in progress.values() for start in getattr(each, what)), default=None)
