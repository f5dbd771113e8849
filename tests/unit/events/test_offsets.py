"""Which offset may be committed: against a model that remembers everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.offsets import OffsetTracker


@given(st.data())
def test_as_a_model_that_remembers_everything(data: st.DataObject) -> None:
    """Offsets with gaps, finished in any order, some as they come."""
    tracker, order, unfinished = OffsetTracker(), [], set()
    offset = data.draw(st.integers(0, 5))
    for _ in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["receive", "skip", "finish"])):
            case "receive":
                tracker.received(offset)
                order.append(offset)
                unfinished.add(offset)
                offset += data.draw(st.integers(1, 4))
            case "skip":
                tracker.skipped(offset)
                order.append(offset)
                offset += data.draw(st.integers(1, 4))
            case _:
                if unfinished:
                    done = data.draw(st.sampled_from(sorted(unfinished)))
                    tracker.finished(done)
                    unfinished.remove(done)
        expected = min(unfinished, default=order[-1] + 1 if order else None)
        assert tracker.position == expected


def test_a_position_is_told_once() -> None:
    tracker = OffsetTracker()
    assert tracker.to_commit() is None
    tracker.received(3)
    assert (tracker.to_commit(), tracker.to_commit()) == (3, None)
    tracker.finished(3)
    assert (tracker.to_commit(), tracker.to_commit()) == (4, None)


def test_behind_a_gap_nothing_is_committed_before_its_time() -> None:
    tracker = OffsetTracker()
    for offset in (1, 5, 9):
        tracker.received(offset)
    tracker.finished(9)
    tracker.finished(5)
    assert tracker.position == 1
    tracker.finished(1)
    assert tracker.position == 10


def test_what_is_not_worked_on_cannot_be_finished() -> None:
    tracker = OffsetTracker()
    tracker.received(1)
    tracker.received(7)
    tracker.finished(7)
    for offset in (0, 3, 7, 8):
        with pytest.raises(ValueError, match="is not being worked on"):
            tracker.finished(offset)


@pytest.mark.parametrize("offset", [0, 1])
def test_nothing_is_received_twice(offset: int) -> None:
    tracker = OffsetTracker()
    tracker.received(1)
    with pytest.raises(ValueError, match="received before, or is out of order"):
        tracker.received(offset)
