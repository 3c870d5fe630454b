"""What is found is counted in plain words."""

import pytest

from agent.audit.finding import share_of


@pytest.mark.parametrize(
    ("some", "whole", "text"),
    [(1, 1, "1 file"), (3, 3, "all 3 files"), (1, 3, "1 of 3 files"), (1500, 2000, "1,500 of 2,000 files")],
)
def test_a_whole_is_no_share_of_itself(some: int, whole: int, text: str) -> None:
    assert share_of(some, whole, "file", "files") == text
