"""What the search finds about devices that refuse: every request is judged by a model of the device."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.polling.learning import Learned, search
from drivers.errors import NoReply
from drivers.plan import plan
from drivers.profile import Profile
from drivers.profile_file import load_profile
from drivers.reading import Block

METER = load_profile("eastron/sdm630")


@dataclass
class Model:
    """A device: the addresses it lacks, those no request may cross, and the most it gives at once."""

    lacks: frozenset[int] = frozenset()
    borders: frozenset[int] = frozenset()
    most: int = 125
    asked: list[Block] = field(default_factory=list)

    def has(self, block: Block) -> bool:
        whole = range(block.address, block.end)
        crossed = any(block.address < border < block.end for border in self.borders)
        return block.count <= self.most and not crossed and self.lacks.isdisjoint(whole)

    async def ask(self, block: Block) -> bool:
        self.asked.append(block)
        return self.has(block)


def profile_of(tmp_path: Path, points: Iterable[tuple[int, int]], *, max_gap: int = 8) -> Profile:
    """Return a profile with points of so many registers (1, 2 or 4) at addresses."""
    kind = {1: "uint16", 2: "uint32", 4: "uint64"}
    lines = [f'_p{at} = {{ address = {at}, type = "{kind[length]}", unit = "factor" }}' for at, length in points]
    text = 'model = "m"\nkind = "sensor"\nsource = "this test"\nfunction = 3\n'
    (tmp_path / "p.toml").write_text(text + f"max_gap = {max_gap}\n\n[points]\n" + "\n".join(lines), encoding="utf-8")
    return load_profile("p.toml", relative_to=tmp_path)


async def learn(profile: Profile, model: Model) -> Learned:
    """Poll like the agent: read what is planned, search in what is refused, plan anew, until nothing is refused."""
    learned = Learned()
    for _ in range(8):
        refused = [planned for planned in learned.plan(profile, 1.0) if not await model.ask(planned.block)]
        if not refused:
            return learned
        for planned in refused:
            members = [profile.points[position] for position in planned.points]
            spans = [Block(point.function, point.address, point.length) for point in members]
            learned = learned.joined(await search(planned.block, spans, model.ask))
    raise AssertionError("it never ends")


def readable(profile: Profile, model: Model) -> set[str]:
    points = profile.points
    return {point.name for point in points if model.has(Block(point.function, point.address, point.length))}


def planned_names(profile: Profile, learned: Learned) -> set[str]:
    return {profile.points[position].name for entry in learned.plan(profile, 1.0) for position in entry.points}


@settings(deadline=None)
@given(lacks=st.frozensets(st.integers(0, 0x180), max_size=40))
def test_what_a_device_lacks_is_left_out_all_else_is_read_and_with_the_fewest_requests(lacks: frozenset[int]) -> None:
    model = Model(lacks)

    learned = asyncio.run(learn(METER, model))

    assert planned_names(METER, learned) == readable(METER, model)
    assert set(learned.missing(METER)) == {point.name for point in METER.points} - readable(METER, model)
    best = plan(METER, every_s=1.0, holes=[Block(4, at, 1) for at in lacks])
    assert len(learned.plan(METER, 1.0)) == len(best)


@settings(deadline=None)
@given(
    lacks=st.frozensets(st.integers(0, 0x180), max_size=10),
    borders=st.frozensets(st.integers(0, 0x180).map(lambda at: at & ~1), max_size=6),
    most=st.integers(2, 80).map(lambda count: count & ~1),
)
def test_borders_and_short_replies_cost_no_point(lacks: frozenset[int], borders: frozenset[int], most: int) -> None:
    model = Model(lacks, borders, most)

    learned = asyncio.run(learn(METER, model))

    assert planned_names(METER, learned) == readable(METER, model)
    assert all(model.has(entry.block) for entry in learned.plan(METER, 1.0))


async def test_one_missing_register_among_many_is_found_with_a_few_requests() -> None:
    model = Model(frozenset({0x36}))
    (first, *_) = plan(METER, every_s=1.0)
    members = [METER.points[position] for position in first.points]

    found = await search(first.block, [Block(4, point.address, point.length) for point in members], model.ask)

    assert found == Learned((Block(4, 0x36, 2),))
    assert len(model.asked) <= 12


async def test_a_gap_that_cannot_be_read_through_is_a_hole_and_no_point_is_missing(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [(0, 1), (1, 1), (5, 2), (7, 1)])

    learned = await learn(profile, Model(frozenset({3})))

    assert learned.holes == (Block(3, 2, 3),)
    assert learned.missing(profile) == []
    assert [entry.block for entry in learned.plan(profile, 1.0)] == [Block(3, 0, 2), Block(3, 5, 3)]


async def test_a_border_between_two_tables_splits_a_request(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [(at, 1) for at in range(10)])

    learned = await learn(profile, Model(borders=frozenset({4})))

    assert learned.holes == (Block(3, 4, 0),)
    assert [entry.block for entry in learned.plan(profile, 1.0)] == [Block(3, 0, 4), Block(3, 4, 6)]


async def test_the_longest_request_is_found(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [(2 * at, 2) for at in range(50)])

    learned = await learn(profile, Model(most=33))

    assert learned == Learned(max_registers=32)
    assert len(learned.plan(profile, 1.0)) == 4


async def test_of_overlapping_points_the_readable_ones_stay(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [(0, 4), (1, 1), (6, 1)])
    model = Model(frozenset({2}))

    learned = await learn(profile, model)

    assert planned_names(profile, learned) == {"_p1", "_p6"}


async def test_a_search_ends_with_what_the_line_raises() -> None:
    async def ask(_: Block) -> bool:
        raise NoReply("no reply")

    with pytest.raises(NoReply):
        await search(Block(4, 0, 4), [Block(4, 0, 2), Block(4, 2, 2)], ask)


async def test_a_plan_that_reads_more_than_its_points_need_is_seen_through() -> None:
    found = await search(Block(4, 0, 6), [Block(4, 0, 2), Block(4, 2, 2)], Model(frozenset({4})).ask)

    assert found == Learned((Block(4, 4, 2),))


def test_what_was_learned_is_kept_as_long_as_the_profile_is_the_same(tmp_path: Path) -> None:
    learned = Learned((Block(3, 4, 0), Block(4, 7, 2)), 32)

    assert Learned.from_json(learned.to_json(METER), METER) == learned
    assert Learned.from_json(learned.to_json(METER), profile_of(tmp_path, [(0, 1)])) == Learned()
    assert Learned.from_json(None, METER) == Learned()


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"null", b'{"profile": "sha256:0"}', b'{"holes": 3}'])
def test_a_damaged_state_is_forgotten_for_the_device_tells_it_again(damaged: bytes) -> None:
    assert Learned.from_json(damaged, METER) == Learned()
    digest = b'{"profile": "%s"' % METER.digest.encode()
    assert Learned.from_json(digest + b"}", METER) == Learned()
    assert Learned.from_json(digest + b', "holes": [3], "max_registers": null}', METER) == Learned()


def test_a_hole_that_is_none_is_forgotten() -> None:
    learned = Learned((Block(3, 4, 1), Block(4, 7, 2)))

    assert learned.without(Block(3, 4, 1)) == Learned((Block(4, 7, 2),))
