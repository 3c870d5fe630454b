"""The properties that `make fuzz` looks for a breach of at full size, on random and on nearly valid replies."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.replies import REQUESTS, Tally, echo_of, feed_codec, feed_wire, framed, repaired, reply_to

FRAMINGS = [pytest.param(True, id="rtu"), pytest.param(False, id="tcp")]
heads = st.tuples(st.integers(0, len(REQUESTS) - 1), st.lists(st.integers(0, 63), max_size=7)).map(
    lambda head: bytes((head[0], len(head[1]), *head[1]))
)


async def accepted(data: bytes, *, rtu: bool) -> int:
    tally = Tally()
    await feed_wire(data, tally, rtu=rtu)
    return tally.accepted


@pytest.mark.parametrize("rtu", FRAMINGS)
@given(head=heads, reply=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
async def test_random_bytes_are_never_a_reply(head: bytes, reply: bytes, rtu: bool) -> None:  # noqa: FBT001 - a parameter
    await accepted(head + reply, rtu=rtu)


@pytest.mark.parametrize("rtu", FRAMINGS)
@given(head=heads, reply=st.binary(max_size=40), seed=st.integers(0, 2**32), times=st.integers(1, 3))
@settings(max_examples=300, deadline=None)
async def test_nearly_valid_bytes_are_accepted_only_where_they_are_valid(
    head: bytes,
    reply: bytes,
    seed: int,
    times: int,
    rtu: bool,  # noqa: FBT001 - a parameter
) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable
    data = head + reply
    for _ in range(times):
        data = repaired(data, rng, rtu=rtu)

    await accepted(data, rtu=rtu)


@pytest.mark.parametrize("rtu", FRAMINGS)
@pytest.mark.parametrize("number", range(len(REQUESTS)))
async def test_each_valid_reply_is_accepted_in_pieces_too(number: int, rtu: bool) -> None:  # noqa: FBT001 - a parameter
    valid = reply_to(number, rtu=rtu)
    refusal = framed(bytes((REQUESTS[number].function | 0x80, 2)), rtu=rtu)

    assert await accepted(bytes((number, 0)) + valid, rtu=rtu) == 1
    assert await accepted(bytes((number, 4, 1, 1, 1, 1)) + valid, rtu=rtu) == 1
    assert await accepted(bytes((number, 0)) + refusal, rtu=rtu) == 1
    assert await accepted(bytes((number, 0)) + valid[:-1], rtu=rtu) == 0


@pytest.mark.parametrize("cut", range(8))
async def test_the_requests_own_echo_is_no_reply_once_or_twice(cut: int) -> None:
    for number in range(len(REQUESTS)):
        echo = echo_of(number)
        for noise in (b"", b"\0", echo):
            assert await accepted(bytes((number, 2, len(noise) + cut, 8)) + noise + echo, rtu=True) == 0


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_whatever_registers_hold_each_value_is_a_number_or_bad(data: bytes) -> None:
    tally = Tally()
    feed_codec(data, tally)

    assert tally.executions == 1


async def test_an_accepted_reply_that_is_none_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.guard.crc16", lambda _: 0)
    wrong = bytearray(reply_to(0, rtu=True))
    wrong[4] ^= 1
    with pytest.raises(AssertionError, match="wrong checksum"):
        await accepted(bytes((0, 0)) + wrong, rtu=True)
