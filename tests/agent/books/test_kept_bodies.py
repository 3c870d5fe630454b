import sys
import tracemalloc
from typing import Any

import orjson
import pytest

from agent.books.kept_bodies import BodiesByName
from agent.latest import ManyBodies


def window(number: int) -> dict[str, Any]:
    return {
        "schema": "energy-agent/window/1",
        "account": f"meter-{number}/electricity",
        "span": "1min",
        "amount": number / 3,
        "quality": "uncertain:incomplete",
        "evidence": {"end": {"time": "2026-11-20T08:15:00.000000Z", "raw": number}},
    }


def test_a_body_comes_back_to_the_bit_under_its_name() -> None:
    kept = BodiesByName()
    kept["a"], kept["b"] = window(1), window(2)
    kept["a"] = window(3)

    assert kept["a"] == window(3)
    assert dict(kept) == {"a": window(3), "b": window(2)}
    assert kept.get("c") is None
    del kept["a"]
    assert list(kept) == ["b"]
    assert len(kept) == 1


def test_bodies_that_are_not_alike_come_back_too() -> None:
    bodies: dict[str, dict[str, Any]] = {
        "": {},
        "long": {"text": "锅炉" * 50_000},
        "odd": {"x": [None, True, 1e-300]},
        "alike": window(1),
    }
    kept = BodiesByName()
    for name, body in bodies.items():
        kept[name] = body

    assert dict(kept) == bodies


def test_bodies_that_are_alike_take_a_fraction_of_their_text() -> None:
    bodies = [window(number) for number in range(1000)]
    tracemalloc.start()
    kept = BodiesByName()
    for number, body in enumerate(bodies):
        kept[f"meter-{number}"] = body
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert taken - sum(sys.getsizeof(name) + 100 for name in kept) < sum(len(orjson.dumps(body)) for body in bodies) / 2


def test_what_is_done_to_a_copy_changes_nothing() -> None:
    kept, body = BodiesByName(), window(1)
    kept["a"] = body
    body["amount"] = kept["a"]["amount"] = 0.0

    assert kept["a"] == window(1)


def test_what_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError):
        BodiesByName()["a"] = {"amount": object()}
    with pytest.raises(TypeError):
        ManyBodies().add([{"amount": object()}])


@pytest.mark.parametrize("parts", [[], [0], [1], [0, 2, 0, 3]])
def test_many_come_back_as_one_list_in_their_order(parts: list[int]) -> None:
    kept, given = ManyBodies(), list[dict[str, Any]]()
    for size in parts:
        part = [window(number) for number in range(size)]
        kept.add(part)
        given += part

    assert orjson.loads(kept.json()) == given


def test_what_is_kept_takes_a_fraction_of_the_objects() -> None:
    tracemalloc.start()
    kept = ManyBodies()
    for start in range(0, 1024, 64):
        kept.add([window(number) for number in range(start, start + 64)])
    small, _ = tracemalloc.get_traced_memory()
    plain = [window(number) for number in range(1024)]
    large = tracemalloc.get_traced_memory()[0] - small
    tracemalloc.stop()

    assert len(plain) == 1024
    assert small < large / 10
