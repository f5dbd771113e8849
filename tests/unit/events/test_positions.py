"""Where a reader without a group begins: the table, and positions as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventplane.events.beginning import Beginning, Committed, End, FirstAfter, Start
from eventplane.events.positions import PositionError, beginnings, format_positions

MIDNIGHT = FirstAfter(1_767_225_600_000)


@pytest.mark.parametrize(
    ("read", "offset", "since", "begins"),
    [
        ("0:12,1:7", "earliest", None, {0: Committed(12), 1: Committed(7)}),
        ("1:7", None, "2026-01-01T00:00:00Z", {0: Beginning(), 1: Committed(7)}),
        (None, "earliest", None, {0: Beginning(), 1: Beginning()}),
        (None, "latest", None, {0: End(), 1: End()}),
        (None, None, None, {0: End(), 1: End()}),
        ("", "0:3", None, {0: Committed(3), 1: Beginning()}),
        (None, None, "2026-01-01T00:00:00Z", {0: MIDNIGHT, 1: MIDNIGHT}),
        (None, None, "2026-01-01t02:00:00+02:00", {0: MIDNIGHT, 1: MIDNIGHT}),
        (None, None, "2026-01-01T00:00:00", {0: MIDNIGHT, 1: MIDNIGHT}),
        (None, None, "1900-01-01T00:00:00Z", {0: FirstAfter(0), 1: FirstAfter(0)}),
    ],
)
def test_beginnings(read: str | None, offset: str | None, since: str | None, begins: dict[int, Start]) -> None:
    assert beginnings(2, read, offset, since) == begins


@pytest.mark.parametrize(
    ("read", "offset", "since", "why"),
    [
        (None, "first", None, "an offset is"),
        (None, "-1", None, "an offset is"),
        ("0:1,", None, None, "an offset is"),
        ("2:1", None, None, "no partition 2"),
        (None, "earliest", "2026-01-01T00:00:00Z", "or for a time"),
        (None, None, "yesterday", "RFC 3339"),
    ],
)
def test_what_is_no_beginning_is_refused(read: str | None, offset: str | None, since: str | None, why: str) -> None:
    with pytest.raises(PositionError, match=why):
        beginnings(2, read, offset, since)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**17), min_size=1, max_size=20))
def test_positions_come_back(offsets: list[int]) -> None:
    positions = dict(enumerate(offsets))
    assert beginnings(len(offsets), format_positions(positions), None, None) == {
        partition: Committed(offset) for partition, offset in positions.items()
    }
