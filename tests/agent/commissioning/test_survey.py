"""Looking for registers in devices that refuse in their own ways."""

from collections.abc import Callable

import pytest

from agent.commissioning.survey import Registers, fetch, runs, survey
from drivers.errors import NoReply, Refused
from drivers.reading import Block, Exchange, Outcome


def exchange(unit: int, block: Block, outcome: Outcome = Outcome.OK) -> Exchange:
    data = b"".join(at.to_bytes(2, "big") for at in range(block.address, block.end))
    return Exchange("line", unit, block, b"", b"", data, 0, 1, 0, outcome)


class Device:
    """Holds registers whose value is their address; `refuses` tells what else it does not take."""

    def __init__(self, held: set[int], refuses: Callable[[Block], int] = lambda _: 0) -> None:
        self.held = held
        self.refuses = refuses
        self.requests = 0

    async def read(self, unit: int, block: Block) -> Exchange:
        self.requests += 1
        code = self.refuses(block) or (0 if set(range(block.address, block.end)) <= self.held else 2)
        if code < 0:
            raise NoReply("nothing came")
        if code:
            raise Refused(code, exchange(unit, block, Outcome.EXCEPTION))
        return exchange(unit, block)


def found(words: Registers) -> set[int]:
    assert all(address == word for address, word in words.words.items())
    return set(words.words)


async def look(device: Device, function: int = 3) -> Registers:
    return await survey(device, 1, function, lambda *_: None)


async def test_what_is_refused_is_halved_until_only_the_hole_is_left_out() -> None:
    device = Device(set(range(100)) - {41})

    assert found(await fetch(device, 1, Block(3, 0, 100))) == device.held


async def test_a_device_of_register_pairs_is_read_in_even_pieces() -> None:
    device = Device(set(range(60)), lambda block: 2 if block.count % 2 or block.address % 2 else 0)

    assert found(await fetch(device, 1, Block(4, 0, 64))) == device.held


async def test_a_range_longer_than_a_request_takes_several() -> None:
    device = Device(set(range(300)))

    assert found(await fetch(device, 1, Block(3, 0, 300))) == device.held
    assert device.requests == 3


async def test_a_function_that_is_not_known_ends_the_reading() -> None:
    with pytest.raises(Refused):
        await fetch(Device(set(), lambda _: 1), 1, Block(3, 0, 10))


@pytest.mark.parametrize("start", [0, 2, 0x1010, 2999])
async def test_a_table_is_found_wherever_tables_begin_and_to_its_ends(start: int) -> None:
    device = Device(set(range(start, start + 37)) | set(range(start + 48, start + 50)))

    assert found(await look(device)) == device.held


async def test_a_device_that_knows_no_such_function_is_asked_once() -> None:
    device = Device(set(), lambda _: 1)

    assert found(await look(device)) == set()
    assert device.requests == 1


async def test_a_device_that_is_silent_for_what_it_has_not_is_left_soon() -> None:
    device = Device(set(), lambda _: -1)

    assert found(await look(device)) == set()
    assert device.requests <= 3


async def test_a_device_that_holds_every_address_ends_too() -> None:
    device = Device(set(range(65536)))

    await look(device)

    assert device.requests < 300


def test_runs_are_told_by_their_start_and_length() -> None:
    assert list(runs({5: 0, 6: 0, 9: 0, 1: 0})) == [(1, 1), (5, 2), (9, 1)]
    assert list(runs({})) == []
