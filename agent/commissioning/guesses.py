"""Which profile describes a unit: judged by what the unit answers to the requests of the profile.

A profile fits when the unit answers most of its registers, almost all decoded values are usual for their
quantities, and their weight (`agent.commissioning.usual`) is more than chance would give; registers that
must hold a constant, and the maker's name in the identification, speak for themselves.
"""

from collections.abc import Mapping, Sequence

from agent.commissioning.usual import weight_of
from drivers.codec import Codec
from drivers.errors import LineError, Refused
from drivers.frame import Frame
from drivers.plan import PlannedBlock, plan
from drivers.profile import Profile
from drivers.reading import Block, Exchange, Quality
from drivers.value import frozen

_MOST_BLOCKS = 4
_NAMED_BITS = 10.0
_CONSTANT_BITS = 6.0
_ABSENCE_BITS = 24.0
_CHOOSY_BITS = 4.0
"""All registers of a profile are there: that says something of a unit that refuses others, and of no other unit."""
_LEAST_BITS = 9.0
_ANSWERED = 0.7
_ODD = 0.05
_SHOWN = ("voltage_l1", "voltage", "frequency", "active_power", "steam_pressure", "output_frequency", "dc_voltage")
_FEW = 3
_ABSENT = frozenset({Quality.NO_SUCH_ADDRESS, Quality.REFUSED, Quality.COMM_LOST, Quality.NOT_READ})


@frozen
class Guess:
    """How well a profile fits a unit; `bits` is the weight of everything that speaks for and against it."""

    profile: str
    fits: bool
    bits: float
    why: str


def questions(profile: Profile) -> tuple[PlannedBlock, ...]:
    """Return the requests that tell most about a profile, few enough for a scan."""
    planned = plan(profile, every_s=1.0)
    telling = sorted(planned, key=lambda item: -len(item.points))[:_MOST_BLOCKS]
    # Without the points that scale them, values say nothing.
    helpers = {profile.points[at].scale_from for item in telling for at in item.points} - {None}
    kept = [
        item for item in planned if item in telling or any(profile.points[at].name in helpers for at in item.points)
    ]
    return tuple(sorted(kept, key=lambda item: (item.block.function, item.block.address)))


def constant(profile: Profile) -> Block | None:
    """Return the registers of a profile that never change, if it names any."""
    identity = profile.identity
    return Block(identity.function, identity.address, identity.count) if identity else None


def judge(
    profile: Profile,
    planned: Sequence[PlannedBlock],
    answers: Mapping[Block, Exchange | LineError],
    identification: Mapping[int, str],
) -> Guess:
    """Return how well what a unit answered fits a profile."""
    named = _named(profile, identification)
    kept, said = _constant(profile, answers)
    asked = [position for item in planned for position in item.points]
    taken = {item.block: answers[item.block] for item in planned if item.block in answers}
    if not any(isinstance(answer, Exchange) for answer in taken.values()):
        return Guess(profile.name, False, -_NAMED_BITS + named, "none of its registers are there")
    frame = Codec(profile, planned).decode("", taken)
    there = [at for at in asked if frame.quality[at] not in _ABSENT]
    good = [at for at in there if frame.quality[at] == Quality.GOOD]
    weights = {at: weight_of(profile.points[at], float(frame.values[at])) for at in good}
    odd = [at for at, weight in weights.items() if weight < 0]
    odd += [at for at in there if frame.quality[at] in {Quality.OUT_OF_RANGE, Quality.INVALID}]
    telling = sum(weight > 0 for weight in weights.values())
    bits = sum(weights.values()) + named + kept - _ABSENCE_BITS * (len(asked) - len(there)) / max(1, len(asked))
    if len(there) == len(asked):
        bits += _CHOOSY_BITS if any(isinstance(answer, Refused) for answer in answers.values()) else -_CHOOSY_BITS
    fits = (
        bits >= _LEAST_BITS
        and kept >= 0
        and len(there) >= _ANSWERED * len(asked)
        and len(odd) <= max(1, _ODD * len(there))
        and (telling > 1 or named > 0)
    )
    parts = [
        "its identification names the maker" if named else "",
        said,
        f"{len(there)} of {len(asked)} values there",
        f"{telling} of them telling",
        f"{len(odd)} odd" if odd else "",
        _shown(profile, frame),
    ]
    return Guess(profile.name, fits, round(bits, 1), ", ".join(part for part in parts if part))


def _named(profile: Profile, identification: Mapping[int, str]) -> float:
    maker = profile.name.partition("/")[0].lower()
    text = " ".join(identification.values()).lower()
    return _NAMED_BITS if maker != "generic" and maker in text else 0.0


def _constant(profile: Profile, answers: Mapping[Block, Exchange | LineError]) -> tuple[float, str]:
    block = constant(profile)
    answer = answers.get(block) if block else None
    if profile.identity is None or answer is None:
        return 0.0, ""
    if isinstance(answer, LineError):
        return -_CONSTANT_BITS / 2 if profile.identity.expect else 0.0, ""
    if profile.identity.expect is None:
        return 1.0, "identity registers there"
    if answer.data.hex() == profile.identity.expect:
        return _CONSTANT_BITS, "identity registers match"
    return -_CONSTANT_BITS, f"identity registers hold {answer.data.hex(' ', 2)}, not {profile.identity.expect}"


def _shown(profile: Profile, frame: Frame) -> str:
    """Return a few values that somebody can compare with the display."""
    parts: list[str] = []
    for name in _SHOWN:
        at = profile.index.get(name)
        if at is not None and frame.quality[at] == Quality.GOOD and len(parts) < _FEW:
            quantity = profile.points[at].quantity
            symbol = quantity.unit.symbol if quantity else ""
            parts.append(f"{name} {float(frame.values[at]):.5g}{'' if symbol == '1' else ' ' + symbol}")
    return ", ".join(parts)
