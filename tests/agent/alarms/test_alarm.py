from dataclasses import replace

from agent.alarms.alarm import Alarm, AlarmBook, Severity

LOST = Alarm("hall/meter", "comm_lost", True, Severity.WARNING, 100, "gone", "中断")


def test_only_a_change_between_active_and_not_is_news() -> None:
    book = AlarmBook()

    assert not book.set(replace(LOST, active=False)), "nothing was wrong before"
    assert book.set(LOST)
    assert not book.set(replace(LOST, since_ns=200))
    assert book.set(replace(LOST, active=False))
    assert not book.set(replace(LOST, active=False))
    assert book.set(LOST)


def test_alarms_of_different_places_and_names_are_apart() -> None:
    book = AlarmBook()

    assert book.set(LOST)
    assert book.set(replace(LOST, key="hall/other"))
    assert book.set(replace(LOST, name="hot"))


def test_active_alarms_stand_longest_first() -> None:
    book = AlarmBook()
    for since_ns, name in ((300, "c"), (100, "a"), (200, "b")):
        book.set(replace(LOST, name=name, since_ns=since_ns))
    book.set(replace(LOST, name="b", active=False))

    assert [alarm.name for alarm in book.active()] == ["a", "c"]
