"""Counts in words: one thing or several."""


def counted(count: int, one: str, several: str) -> str:
    """Return so many of a thing in words, such as "1 seal" or "1,200 seals"."""
    return f"1 {one}" if count == 1 else f"{count:,} {several}"
