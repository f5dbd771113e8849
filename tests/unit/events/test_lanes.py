"""In which order events may start: by tables, and against what order means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.lanes import Lanes

if TYPE_CHECKING:
    from eventplane.api.delivery import Ordering


@pytest.mark.parametrize(
    ("ordering", "key", "expected"),
    [
        pytest.param("Key", b"a", b"a", id="its key's"),
        pytest.param("Key", None, None, id="without a key, one of its own"),
        pytest.param("Partition", b"a", "partition", id="the only one"),
        pytest.param("Partition", None, "partition", id="the only one, without a key"),
        pytest.param("None", b"a", None, id="one of its own"),
    ],
)
def test_lane(ordering: Ordering, key: bytes | None, expected: object) -> None:
    assert Lanes[int](ordering).lane_of(key) == expected


def test_those_behind_wait_and_others_do_not() -> None:
    lanes = Lanes[str]("Key")
    assert lanes.enter(b"a", 0, "a0")
    assert not lanes.enter(b"a", 1, "a1")
    assert lanes.enter(b"b", 2, "b2")
    assert lanes.enter(None, 3, "free")
    assert lanes.waiting == 1
    assert lanes.left(b"b", 2) is None
    assert lanes.left(b"a", 0) == "a1"
    assert lanes.left(b"a", 1) is None
    assert lanes.waiting == 0


def test_an_event_that_is_tried_again_keeps_its_lane() -> None:
    lanes = Lanes[str]("Key")
    lanes.enter(b"a", 0, "a0")
    lanes.enter(b"a", 1, "a1")
    assert lanes.held(b"a", 0, "a0")
    assert lanes.left(b"a", 0) == "a1"
    assert lanes.held(None, 5, "free")


def test_a_sink_that_keeps_order_is_waited_for_only_after_a_failure() -> None:
    """Events 0 to 2 are under way; 1 fails first, then 0: they are tried again in their order, then 3."""
    lanes = Lanes[str]("Key", pipelined=True)
    assert all(lanes.enter(b"a", offset, f"a{offset}") for offset in range(3))
    assert lanes.held(b"a", 1, "a1")
    assert not lanes.held(b"a", 0, "a0")
    assert not lanes.enter(b"a", 3, "a3")
    assert lanes.left(b"a", 2) is None, "it was under way before"
    assert lanes.left(b"a", 1) == "a0"
    assert lanes.left(b"a", 0) == "a3"
    assert lanes.left(b"a", 3) is None
    assert lanes.enter(b"a", 4, "a4")


@given(
    st.sampled_from(["Key", "Partition", "None"]),
    st.lists(st.sampled_from([b"a", b"b", b"c", None]), max_size=30),
    st.data(),
)
def test_all_start_once_and_in_order(ordering: Ordering, keys: list[bytes | None], data: st.DataObject) -> None:
    """Whatever ends when, and is tried again how often: each event runs alone in its lane, in order, to its end."""
    lanes = Lanes[int](ordering)
    lane = [lanes.lane_of(key) for key in keys]
    running = [offset for offset in range(len(keys)) if lanes.enter(lane[offset], offset, offset)]
    ended: list[int] = []
    while running:
        in_lanes = [lane[offset] for offset in running if lane[offset] is not None]
        assert len(in_lanes) == len(set(in_lanes))
        offset = data.draw(st.sampled_from(running))
        if data.draw(st.booleans()):
            assert lanes.held(lane[offset], offset, offset)
            continue
        running.remove(offset)
        ended.append(offset)
        following = lanes.left(lane[offset], offset)
        if following is not None:
            running.append(following)
    assert sorted(ended) == list(range(len(keys)))
    for each in {name for name in lane if name is not None}:
        of_lane = [offset for offset in ended if lane[offset] == each]
        assert of_lane == sorted(of_lane)
