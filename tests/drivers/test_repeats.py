import pytest

from drivers.guard import Asked
from drivers.repeats import Repeats

ANSWER_S = 0.03
TIMEOUT_S = 0.4
USUAL_S = 2 * ANSWER_S + 0.02


class Talk:
    """Reads of a line, one after the other, each with its reply; tells how long after its request listening ends."""

    def __init__(self) -> None:
        self.repeats = Repeats()
        self._now = 1000.0
        self._number = 0

    def read(
        self,
        frame: bytes = b"",
        *,
        unit: int = 1,
        function: int = 3,
        size: int = 4,
        answer_s: float = ANSWER_S,
        rest_s: float = 0.001,
    ) -> float | None:
        self._number += 1
        asked = Asked(b"", unit, function, size)
        sent = self._now + rest_s
        self._now = sent + answer_s
        listen_s = self.repeats.listen_s(asked, frame or b"%d" % self._number, sent, self._now, TIMEOUT_S)
        return answer_s + listen_s if listen_s else listen_s


def test_the_first_reply_and_those_with_other_bytes_are_believed_at_once() -> None:
    talk = Talk()

    assert [talk.read(answer_s=answer_s) for answer_s in (0.03, 0.028, 0.04, 0.05)] == [0, 0, 0, 0]


def test_the_same_bytes_again_are_believed_when_the_unit_has_had_its_usual_time_twice() -> None:
    talk = Talk()
    talk.read(b"same")

    assert talk.read(b"same") == pytest.approx(USUAL_S)


@pytest.mark.parametrize("between", [1, 2])
def test_the_same_bytes_are_known_again_behind_another_reply_or_two(between: int) -> None:
    talk = Talk()
    talk.read(b"same")
    for _ in range(between):
        talk.read(size=6)

    assert talk.read(b"same") == pytest.approx(USUAL_S)


def test_the_same_bytes_behind_three_other_replies_are_those_of_a_device_at_rest() -> None:
    talk = Talk()

    assert [talk.read(b"unit %d" % unit, unit=unit) for _ in range(3) for unit in (1, 2, 3, 4)] == [0] * 12


def test_a_reply_sooner_than_ever_is_doubted() -> None:
    talk = Talk()
    talk.read()

    assert talk.read(answer_s=ANSWER_S * 0.91) == 0
    assert talk.read(answer_s=ANSWER_S * 0.8) == pytest.approx(USUAL_S)


@pytest.mark.parametrize("other", [{"unit": 2}, {"function": 4}, {"size": 2}])
@pytest.mark.parametrize("answer_s", [0.003, 0.3])
def test_the_times_of_other_units_functions_and_lengths_say_nothing(other: dict[str, int], answer_s: float) -> None:
    talk = Talk()
    talk.read(answer_s=answer_s, **other)  # type: ignore[arg-type]  # parameters of the same names
    talk.read()

    assert talk.read(b"same") == 0
    assert talk.read(b"same") == pytest.approx(USUAL_S)


def test_after_a_rest_nothing_is_doubted() -> None:
    talk = Talk()
    talk.read(b"same")

    assert talk.read(b"same", rest_s=1.01 * USUAL_S) == 0


@pytest.mark.parametrize("other", [{"unit": 2}, {"function": 4}, {"size": 6}])
def test_a_first_reply_of_its_shape_cannot_be_early(other: dict[str, int]) -> None:
    talk = Talk()
    talk.read()

    assert talk.read(answer_s=0.001, **other) == 0  # type: ignore[arg-type]  # parameters of the same names


def test_behind_a_silence_nothing_is_doubted() -> None:
    talk = Talk()
    talk.read(b"same")
    talk.repeats.forget()

    assert talk.read(b"same") == 0


def test_the_next_reply_to_a_request_like_one_that_failed_is_doubted_once() -> None:
    talk = Talk()
    talk.read()
    talk.repeats.failed(Asked(b"", 1, 3, 4))
    talk.repeats.forget()

    assert talk.read(unit=2, rest_s=0.2) == 0
    assert talk.read(rest_s=0.2) == pytest.approx(ANSWER_S + TIMEOUT_S)
    assert talk.read() == 0


def test_a_reply_that_takes_longer_than_usual_behind_a_failed_read_of_its_shape_is_not_believed_once() -> None:
    talk = Talk()
    talk.read()
    talk.repeats.failed(Asked(b"", 1, 3, 4))

    assert talk.read(answer_s=1.1 * USUAL_S) is None
    assert talk.read(answer_s=1.1 * USUAL_S) == pytest.approx(1.1 * USUAL_S + TIMEOUT_S)
    assert talk.read(answer_s=1.1 * USUAL_S) == 0


def test_a_first_reply_ever_behind_a_failed_read_takes_as_long_as_it_likes() -> None:
    talk = Talk()
    talk.repeats.failed(Asked(b"", 1, 3, 4))

    assert talk.read(answer_s=0.9 * TIMEOUT_S) == pytest.approx(1.9 * TIMEOUT_S)


def test_behind_a_reply_later_than_ever_the_next_one_is_waited_for_as_long_as_one_has_taken() -> None:
    talk = Talk()
    talk.read(b"same")

    assert talk.read(b"same", answer_s=5 * ANSWER_S) == pytest.approx(5 * ANSWER_S + ANSWER_S + 0.02)


def test_no_reply_is_listened_behind_for_longer_than_a_time_out() -> None:
    talk = Talk()
    talk.read(b"same", answer_s=0.9 * TIMEOUT_S)

    assert talk.read(b"same", answer_s=ANSWER_S) == pytest.approx(ANSWER_S + TIMEOUT_S)


def test_in_a_long_row_of_one_shape_one_read_of_sixteen_is_listened_behind() -> None:
    talk = Talk()

    assert [number for number in range(60) if talk.read()] == [16, 32, 48]


def test_a_rest_or_another_shape_begins_a_new_row() -> None:
    talk = Talk()
    listened = [talk.read(rest_s=1.0 if number == 10 else 0.001, size=4 if number != 30 else 6) for number in range(40)]

    assert [number for number, seconds in enumerate(listened) if seconds] == [26]


def test_the_usual_time_outlives_the_longest_shift() -> None:
    """Replies to the requests before come early: were only they remembered, listening would end too soon."""
    talk = Talk()
    talk.read(answer_s=0.003)
    talk.read(answer_s=0.1, rest_s=1)
    listened = [talk.read(answer_s=0.003, rest_s=0.097) for _ in range(16)]

    assert listened[-1] == pytest.approx(0.22)
