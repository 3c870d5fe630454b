"""Which part of the chain proves a period."""

from typing import Any

import pytest

from agent.bundle.form import BundleError
from agent.bundle.segment import Segment, segment_of
from agent.record import time_ns

Body = dict[str, Any]
NOON_NS = time_ns("2026-11-20T12:00:00.000000Z")
HOUR_NS = 3600 * 10**9


def _interval(start: str) -> Body:
    return {"schema": "energy-agent/interval/1", "start": f"2026-11-20T{start}:00.000000Z"}


def _told(kind: str, time: str, **said: Any) -> Body:
    return {"schema": f"energy-agent/{kind}/1", "time": f"2026-11-20T{time}:00.000000Z", **said}


def _seal(time: str, to_seq: int) -> Body:
    return _told("seal", time, to_seq=to_seq)


def _segment(*records: Body) -> Segment:
    return segment_of(enumerate(records, 1), NOON_NS, NOON_NS + HOUR_NS)


def test_it_begins_behind_a_seal_with_what_was_in_use_and_ends_with_the_seal_over_the_last_record() -> None:
    segment = _segment(
        _interval("10:00"),
        _seal("10:15", 1),
        _told("evidence", "10:16", what="software"),  # 3
        _interval("11:00"),
        _seal("11:15", 4),
        _interval("12:00"),
        _interval("13:00"),
        _seal("13:15", 7),  # 8
        _interval("14:00"),
    )
    assert (segment.first, segment.last, segment.intervals) == (2, 8, 1)


def test_a_late_revision_belongs_to_it() -> None:
    segment = _segment(_interval("12:00"), _seal("13:00", 1), _interval("13:00"), _interval("12:00"), _seal("15:00", 4))
    assert (segment.first, segment.last, segment.intervals) == (1, 5, 2)


def test_what_no_seal_covers_yet_ends_with_its_last_record() -> None:
    segment = _segment(
        _interval("11:00"), _seal("12:00", 1), _interval("12:00"), _interval("12:15"), _interval("13:00")
    )
    assert (segment.first, segment.last) == (2, 4)


def test_captures_that_overlap_it_are_told_of() -> None:
    capture = _told(
        "evidence", "14:00", what="capture", first="2026-11-20T12:30:00.000000Z", last="2026-11-20T13:30:00.000000Z"
    )
    assert _segment(_interval("12:00"), _seal("13:00", 1), _interval("13:00"), capture).last == 4


def test_a_period_without_a_record_is_refused() -> None:
    with pytest.raises(BundleError, match="choose another period"):
        _segment(_interval("11:00"), _interval("13:00"))
