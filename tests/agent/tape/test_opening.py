from pathlib import Path

from agent.tape.opening import books_of
from tests.agent.replay.works import Works


async def test_the_books_of_a_start_name_the_last_record_that_it_found_whatever_was_numbered_since(
    tmp_path: Path,
) -> None:
    works = Works(tmp_path)
    await works.start()
    works.store.append("event", "agent", 1, {"event": "first"})
    await works.stop()
    kept = works.store.last_seq

    await works.start()
    works.store.append("event", "agent", 2, {"event": "second"})
    await works.store.flush()
    assert books_of(works, "start", 1).seq == kept
    await works.stop()
