import tracemalloc

import orjson
import pytest

from agent.record import as_json

BODY = {f"key_{number}": number * 1.5 for number in range(50)}


def test_it_is_the_json_of_orjson() -> None:
    assert as_json(BODY) == orjson.dumps(BODY)


def test_what_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError):
        as_json({"a": object()})


def test_what_is_kept_takes_no_more_memory_than_its_text() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [as_json(BODY) for _ in range(100)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 1.2 * sum(map(len, kept)) + 10_000
