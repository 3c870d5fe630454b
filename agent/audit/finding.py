"""What verification finds."""

from drivers.value import frozen


@frozen
class Finding:
    """Something that does not hold, and where; `line` is its record's, counted from 1, 0 where it is of none."""

    place: str
    what: str
    line: int = 0

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.place}: {self.what}"


def spelled(first: int, last: int, one: str, several: str, between: str = " ") -> str:
    """Return records by their numbers, with the verb that goes with one of them or with several."""
    return f"record {first}{between}{one}" if first == last else f"records {first} to {last}{between}{several}"


def share_of(some: int, whole: int, one: str, several: str) -> str:
    """Return so many of a whole in words, such as "1 file", "all 3 files" or "2 of 3 files"."""
    if some == whole:
        return f"1 {one}" if whole == 1 else f"all {whole:,} {several}"
    return f"{some:,} of {whole:,} {several}"
