"""The file of records made again: as published, so without those that were lost before they were committed."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson


class Published:
    """Writes records, one JSON object per line, in the order of their numbers."""

    def __init__(self, path: Path) -> None:
        """Begin the file; raises OSError."""
        self._file = path.open("wb")
        self._places: list[tuple[str, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, record: dict[str, Any]) -> None:
        """Write a record."""
        self._places.append((str(record.get("epoch", "")), int(record.get("seq", 0)), self._file.tell()))
        self._file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def fall_back(self, epoch: str, seq: int) -> int:
        """Take back what a store that begins at a number had not kept; return how many records that were."""
        kept = len(self._places)
        while kept and self._places[kept - 1][0] == epoch and self._places[kept - 1][1] > seq:
            kept -= 1
        lost = self._places[kept:]
        if lost:
            self._file.seek(lost[0][2])
            self._file.truncate()
            del self._places[kept:]
        return len(lost)
