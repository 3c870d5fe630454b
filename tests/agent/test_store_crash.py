import random
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from agent.store import GENESIS, Store, record_hash

VICTIM = Path(__file__).with_name("store_victim.py")


def killed_while_writing(path: Path, lines: int) -> list[list[str]]:
    """Run the victim until it has printed so many lines, kill it, and return all it had said."""
    with subprocess.Popen([sys.executable, str(VICTIM), str(path)], stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        said = [victim.stdout.readline() for _ in range(lines)]
        victim.kill()
        said += victim.stdout.readlines()
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.integration
async def test_nothing_committed_is_lost_to_kill_9_and_nothing_is_booked_twice(tmp_path: Path) -> None:
    path, chance = tmp_path / "store.db", random.Random(20)  # noqa: S311  # moments, not secrets
    epochs, committed = set(), 0
    for _ in range(10):
        said = killed_while_writing(path, chance.randrange(3, 40))
        _, epoch, last_seq, _ = said[0]
        assert int(last_seq) >= committed
        epochs.add(epoch)
        committed = int(said[-1][1])

    store = Store(path, max_size=256 << 20, commit_every_s=1, sinks=("mqtt",))
    await store.open()
    records = await store.peek("mqtt", 1_000_000)
    intervals = [orjson.loads(record.payload) for record in await store.intervals(0, 1 << 62)]
    booked = store.load_state("booked")
    await store.close()

    assert len(epochs) == 1
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert len(records) >= committed > 100
    assert [interval["number"] for interval in intervals] == list(range(1, len(intervals) + 1))
    assert booked == str(len(intervals)).encode()
    assert [interval["previous"] for interval in intervals] == [GENESIS, *(record_hash(i) for i in intervals[:-1])]
    assert all(interval["hash"] == record_hash(interval) for interval in intervals)
