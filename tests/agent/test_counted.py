import pytest

from agent.counted import counted


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 seals cover"), (1, "1 seal covers"), (2, "2 seals cover"), (1200, "1,200 seals cover")]
)
def test_one_is_said_as_one_and_others_as_several(count: int, said: str) -> None:
    assert counted(count, "seal covers", "seals cover") == said
