"""Which profiles fit what a unit answers, every device of the catalogue against every profile."""

from collections.abc import Callable

import pytest

from agent.commissioning.guesses import Guess
from agent.commissioning.sweep import Found, identify
from drivers.codec import encode
from drivers.errors import NoReply, Refused
from drivers.profile import Profile
from drivers.profile_file import catalogue, load_profile
from drivers.reading import Block, Exchange, Outcome

USUAL = {
    "V": 231.4, "A": 12.6, "kW": 8.31, "kvar": 2.2, "kVA": 8.6, "kWh": 48213.5, "kvarh": 911.2, "kVAh": 51000.5,
    "Hz": 49.98, "1": 0.91, "%": 4.5, "°": 20.5, "°C": 61.5, "rpm": 1480.0, "MPa": 0.8, "kPa": 101.5, "t/h": 1.5,
}  # fmt: skip
PROFILES = [load_profile(name) for name in catalogue()]


def image(profile: Profile) -> dict[tuple[int, int], int]:
    """Return registers by function and address, as a running device of a profile holds them."""
    values = {
        point.name: USUAL.get(point.quantity.unit.symbol, 3.0)
        for point in profile.points
        if point.quantity and point.type not in {"bit", "bool", "string"}
    }
    held = {
        (function, address): word
        for function, words in encode(profile, values).items()
        for address, word in words.items()
    }
    for item in profile.points:
        for address in range(item.address - 20, item.end + 20):
            held.setdefault((item.function, address), 0)
    identity = profile.identity
    if identity:
        content = bytes.fromhex(identity.expect or "00ab" * identity.count)
        for at in range(identity.count):
            held[identity.function, identity.address + at] = int.from_bytes(content[2 * at : 2 * at + 2], "big")
    return held


class Unit:
    """A unit that holds registers, and refuses others."""

    def __init__(self, word: Callable[[int, int], int | None], names: dict[int, str] | None = None) -> None:
        self.word = word
        self.names = names

    async def read(self, unit: int, block: Block) -> Exchange:
        words = [self.word(block.function, at) for at in range(block.address, block.end)]
        if any(word is None for word in words):
            raise Refused(2, self._exchange(unit, block, b"", Outcome.EXCEPTION))
        data = b"".join((word or 0).to_bytes(2, "big") for word in words)
        return self._exchange(unit, block, data, Outcome.OK)

    async def identification(self, unit: int) -> dict[int, str]:
        if self.names is None:
            raise NoReply(f"unit {unit}: nothing came")
        return self.names

    @staticmethod
    def _exchange(unit: int, block: Block, data: bytes, outcome: Outcome) -> Exchange:
        return Exchange("line", unit, block, b"", b"", data, 0, 1, 0, outcome)


async def guesses(unit: Unit) -> list[Guess]:
    found = Found(1, 1.0, b"")
    await identify(unit, found, PROFILES)
    return found.guesses


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
async def test_a_device_of_the_catalogue_is_recognised_first(profile: Profile) -> None:
    held = image(profile)

    found = await guesses(Unit(lambda function, at: held.get((function, at))))

    best = found[0]
    assert (best.profile, best.fits) == (profile.name, True), [
        (one.profile, one.fits, one.bits, one.why) for one in found
    ]


@pytest.mark.parametrize(
    "word",
    [
        lambda _, at: at & 0xFFFF,
        lambda *_: 0,
        lambda *_: 0xFFFF,
        lambda *_: None,
        lambda function, at: (at * 40503 + function * 977) & 0xFFFF,
    ],
    ids=["addresses", "zeros", "ones", "nothing", "noise"],
)
async def test_registers_that_mean_nothing_fit_no_profile(word: Callable[[int, int], int | None]) -> None:
    assert [guess.profile for guess in await guesses(Unit(word)) if guess.fits] == []


async def test_the_makers_name_speaks_for_its_profiles() -> None:
    profile = load_profile("schneider/pm5xxx")
    held = image(profile)

    async def bits(names: dict[int, str]) -> float:
        found = await guesses(Unit(lambda function, at: held.get((function, at)), names))
        return next(guess.bits for guess in found if guess.profile == profile.name)

    assert await bits({0: "Schneider Electric", 1: "METSEPM5340"}) > await bits({0: "Somebody Else"}) + 5


async def test_registers_that_must_hold_something_else_rule_a_profile_out() -> None:
    profile = load_profile("acrel/dtsd1352")
    assert profile.identity is not None
    held = image(profile) | {(profile.identity.function, profile.identity.address): 10}

    found = await guesses(Unit(lambda function, at: held.get((function, at))))

    guess = next(guess for guess in found if guess.profile == profile.name)
    assert not guess.fits
    assert "identity registers hold 000a, not 0001" in guess.why
