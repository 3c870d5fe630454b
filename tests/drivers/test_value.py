import copy
import gc
import pickle
import weakref
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from drivers.value import frozen, mutable, travelling


@travelling
@frozen
class Sample:
    """A value as others are declared."""

    number: int
    text: str = "-"
    more: Mapping[str, int] = field(default_factory=dict)


def test_a_value_that_travels_is_made_compared_and_replaced_like_any_dataclass() -> None:
    sample = Sample(1, more={"a": 1})

    assert sample == Sample(number=1, text="-", more={"a": 1})
    assert replace(sample, number=2) == Sample(2, "-", {"a": 1})
    assert Sample(1).more is not Sample(1).more


def test_a_value_that_travels_still_has_no_room_for_anything_else() -> None:
    assert not hasattr(Sample(1), "__dict__")


@frozen
class Place:
    """As others are that are compared by a part of them."""

    x: float
    y: float
    note: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """What the standard library makes of it."""

    x: float
    y: float
    note: str = field(default="", compare=False, repr=False)


@frozen(kw_only=True)
class Own:
    """As others are that say themselves how they are compared and shown."""

    number: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self.number % 10 == other.number % 10

    def __hash__(self) -> int:
        return self.number % 10

    def __repr__(self) -> str:
        return "own"


def test_frozen_values_compare_hash_and_show_as_those_of_the_standard_library_do() -> None:
    place: object = Place(1.0, 2.0, "a")
    written: object = Written(1.0, 2.0, "a")

    assert place == Place(1.0, 2.0, "b")
    assert place != Place(2.0, 1.0, "a")
    assert place != written
    assert hash(place) == hash(written)
    assert repr(place) == repr(written).replace("Written", "Place")
    assert [each.name for each in fields(Place)] == [each.name for each in fields(Written)]


@pytest.mark.parametrize("name", ["x", "z"])
def test_frozen_values_cannot_be_changed(name: str) -> None:
    place = Place(1.0, 2.0)
    with pytest.raises(FrozenInstanceError):
        setattr(place, name, 3.0)
    with pytest.raises(FrozenInstanceError):
        delattr(place, name)

    assert place == Place(1.0, 2.0)


def test_nothing_keeps_the_class_that_a_frozen_one_was_made_from() -> None:
    def made() -> "weakref.ref[type]":
        class Draft:
            x: float

        frozen(Draft)
        return weakref.ref(Draft)

    draft = made()
    gc.collect()

    assert draft() is None


@frozen
class Kinds:
    """All kinds of arguments there are."""

    first: int
    second: list[int] = field(default_factory=list)
    third: int = field(default=3, kw_only=True)
    fourth: int = field(kw_only=True)


def test_every_kind_of_argument_is_taken_as_the_standard_library_takes_it() -> None:
    assert repr(Kinds(1, fourth=4)) == "Kinds(first=1, second=[], third=3, fourth=4)"
    assert Kinds(fourth=4, third=0, first=1) == Kinds(1, [], third=0, fourth=4)
    assert Kinds(1, fourth=4).second is not Kinds(1, fourth=4).second


@frozen
class Derived:
    """As others are that work out a field of their own."""

    numbers: tuple[int, ...]
    largest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "largest", max(self.numbers))


def test_a_field_may_be_worked_out_of_the_others() -> None:
    assert Derived((1, 3, 2)).largest == 3
    assert replace(Derived((1,)), numbers=(4, 5)).largest == 5


def test_wrong_arguments_are_refused_also_by_a_class_that_none_was_made_of() -> None:
    @frozen
    class Fresh:
        x: float

    for _ in range(2):
        with pytest.raises(TypeError, match=r"Fresh\.__init__\(\) missing 1 required positional argument: 'x'"):
            Fresh()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"Fresh\.__init__\(\) got an unexpected keyword argument 'y'"):
            Fresh(1.0, y=2.0)  # type: ignore[call-arg]
    assert Fresh(1.0).x == 1.0


def test_a_class_that_inherits_is_made_of_all_fields_whichever_class_is_called_first() -> None:
    @frozen
    class Point:
        x: float

    @frozen
    class Labelled(Point):
        label: str = ""

    class Known(Point):
        """Not a dataclass of its own."""

    known, labelled, point = Known(1.0), Labelled(1.0, "a"), Point(1.0)

    assert (known.x, labelled.x, labelled.label, point.x) == (1.0, 1.0, "a", 1.0)


@pytest.mark.parametrize("value", [Place(1.0, 2.0, "a"), Sample(1, "b", {"c": 1}), Own(number=5)])
def test_values_are_copied_and_travel_to_another_process(value: Place | Sample | Own) -> None:
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value  # noqa: S301
    assert type(copy.copy(value)) is type(value)


def test_a_class_that_says_itself_how_it_is_compared_is_left_so() -> None:
    assert Own(number=1) == Own(number=11)
    assert len({Own(number=1), Own(number=11)}) == 1
    assert repr(Own(number=1)) == "own"


def test_a_value_of_one_field_or_none_compares_too() -> None:
    @frozen
    class One:
        x: float

    @frozen
    class Nothing:
        pass

    nan, nothing = float("nan"), Nothing()
    other: object = nothing
    assert One(nan) == One(nan), "the same object, as in a tuple"
    assert hash(One(1.0)) == hash((1.0,))
    assert nothing == Nothing()
    assert One(1.0) != other


@mutable
class State:
    """As others are that change."""

    count: int = 0
    seen: list[int] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)


@dataclass(slots=True)
class WrittenState:
    """What the standard library makes of it."""

    count: int = 0
    seen: list[int] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)


@mutable(eq=False)
class Single:
    """As others are that are only the same as themselves."""

    count: int


def test_what_changes_compares_and_shows_as_that_of_the_standard_library_does() -> None:
    state: object = State(1, [2], "a")
    written: object = WrittenState(1, [2], "a")

    assert state == State(1, [2], "b")
    assert state != State(1, [3], "a")
    assert state != written
    assert repr(state) == repr(written).replace("WrittenState", "State")
    with pytest.raises(TypeError, match="unhashable"):
        hash(state)
    assert copy.deepcopy(state) == pickle.loads(pickle.dumps(state)) == state  # noqa: S301


def test_what_changes_has_no_room_for_anything_else() -> None:
    state = State()
    state.count, state.seen = 5, [6]

    assert (state.count, state.seen) == (5, [6])
    assert not hasattr(state, "__dict__")


def test_what_is_only_the_same_as_itself_is_found_by_itself() -> None:
    one, other = Single(1), Single(1)

    assert one != other
    assert {one: "one", other: "other"}[one] == "one"
