"""A ring of cumulative rows: amounts of all accounts side by side, one row per tick."""

import numpy as np
import numpy.typing as npt


class CumulativeRing:
    """Keeps the newest `slots` rows of `columns` cumulative float64 amounts with their times.

    Invariants: times grow strictly from the oldest row to the newest; a row changes after it was written only by
    `spread`, and moves only by `prepend`; writing and looking up touch one row and never allocate one.
    """

    def __init__(self, slots: int, columns: int) -> None:
        self.times = np.zeros(slots, np.int64)
        self.rows = np.zeros((slots, columns), np.float64)
        self._next = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory of rows and times [bytes]."""
        return self.rows.nbytes + self.times.nbytes

    @property
    def newest(self) -> int:
        """Slot of the newest row; only meaningful after the first write."""
        return self._next - 1 if self._next else len(self.times) - 1

    @property
    def oldest(self) -> int:
        """Slot of the oldest row kept."""
        return self._next if self._count == len(self.times) else 0

    @property
    def newest_ns(self) -> int:
        """Time of the newest row [ns]; only meaningful after the first write."""
        return int(self.times[self.newest])

    @property
    def oldest_ns(self) -> int:
        """Time of the oldest row kept [ns]; only meaningful after the first write."""
        return int(self.times[self.oldest])

    def within(self, time_ns: int, grain_ns: int) -> bool:
        """Whether the newest row lies in the same grain of the clock as a time."""
        return bool(self._count) and time_ns // grain_ns == self.newest_ns // grain_ns

    def write(self, time_ns: int, row: npt.NDArray[np.float64]) -> None:
        """Keep a row [float64, columns] in place of the oldest; raise ValueError unless it is the newest in time."""
        if self._count and time_ns <= self.times[self.newest]:
            raise ValueError(f"a tick at {time_ns} ns does not follow the one at {self.times[self.newest]} ns")
        self.rows[self._next] = row
        self.times[self._next] = time_ns
        self._next = (self._next + 1) % len(self.times)
        self._count = min(self._count + 1, len(self.times))

    def at_or_before(self, time_ns: int) -> int:
        """Return the slot of the newest row not later than a time, or of the oldest row where all are later.

        A binary search over the times: its cost does not depend on how far back the time lies.
        """
        oldest = self.oldest
        # The ring in order of time is the part from the oldest to the end, then the part from the beginning.
        begin, end = (0, self._next) if oldest and time_ns >= self.times[0] else (oldest, self._count)
        found = begin + int(np.searchsorted(self.times[begin:end], time_ns, side="right")) - 1
        return max(found, oldest) if begin == oldest else found

    def spread(
        self, columns: npt.NDArray[np.intp], growth: npt.NDArray[np.float64], start_ns: int | None, end_ns: int
    ) -> None:
        """Add to the rows since `start_ns` what is only now known to have grown evenly until `end_ns`: see `spread`."""
        spread(self.times[: self._count], self.rows[: self._count], columns, growth, start_ns, end_ns)

    def in_order(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return copies of the times and rows kept, oldest first."""
        slots = (self.oldest + np.arange(self._count)) % len(self.times)
        return self.times[slots], self.rows[slots]

    def prepend(self, times: npt.NDArray[np.int64], rows: npt.NDArray[np.float64], grain_ns: int) -> None:
        """Put older rows, oldest first, before those kept: one of each grain, as far as there is room for the newest.

        What is not older than the oldest row kept is left out.
        """
        end = int(np.searchsorted(times, self.oldest_ns)) if self._count else len(times)
        room = len(self.times) - self._count
        if not end or not room:
            return
        chosen = one_each_grain(times[:end], grain_ns)[-room:]
        own_times, own_rows = self.in_order()
        before = len(chosen)
        self.times[:before], self.rows[:before] = times[chosen], rows[chosen]
        self._count += before
        self.times[before : self._count], self.rows[before : self._count] = own_times, own_rows
        self._next = self._count % len(self.times)


def one_each_grain(times: npt.NDArray[np.int64], grain_ns: int) -> npt.NDArray[np.intp]:
    """Return which of ascending times to keep, the oldest among them: each the nearest to a grain after the one before.

    Times that lie about a grain apart or more are all kept, however unevenly they came; so is the newest.
    """
    ascending = times.tolist()
    chosen = [0] if ascending else []
    for place in range(1, len(ascending)):
        wanted_ns = ascending[chosen[-1]] + grain_ns
        if place + 1 == len(ascending) or ascending[place] + ascending[place + 1] >= 2 * wanted_ns:
            chosen.append(place)
    return np.array(chosen, np.intp)


def spread(
    times: npt.NDArray[np.int64],
    rows: npt.NDArray[np.float64],
    columns: npt.NDArray[np.intp],
    growth: npt.NDArray[np.float64],
    start_ns: int | None,
    end_ns: int,
) -> None:
    """Add to rows at `times` [ns] what is only now known to have grown evenly from `start_ns` until `end_ns`.

    `growth` [float64, one per column] is what the columns grew by in all; rows up to the start stay, rows from
    the end on get it whole. Without a start (it lies where no clock reaches) all rows do.
    """
    if start_ns is None or start_ns >= end_ns:
        rows[:, columns] += growth
        return
    since = np.flatnonzero(times > start_ns)
    if not since.size:  # most outages are shorter than the rows of the longer windows lie apart
        return
    shares = np.minimum(1.0, (times[since] - start_ns) / (end_ns - start_ns))
    rows[np.ix_(since, columns)] += np.outer(shares, growth)
