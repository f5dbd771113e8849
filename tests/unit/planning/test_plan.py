"""The plan as a value: its lines, its hash, and how each change describes itself."""

import pytest
from builders import owner
from hypothesis import given
from hypothesis import strategies as st

from eventplane.planning.plan import Plan, fingerprint
from eventplane.planning.topic_changes import (
    AddPartitions,
    AlterConfig,
    ClaimTopic,
    CreateTopic,
    DeleteTopic,
    ReleaseTopic,
    TopicChange,
)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param(ClaimTopic("t", owner()), "claim topic t", id="claim"),
        pytest.param(ClaimTopic("t", owner(), "id-1"), "adopt topic t", id="adopt"),
        pytest.param(
            CreateTopic("t", owner(), 3, 1, {"b": "2", "a": "1"}),
            "create topic t (partitions=3, replicationFactor=1, a=1, b=2)",
            id="create",
        ),
        pytest.param(
            CreateTopic("t", owner(), None, None),
            "create topic t (partitions=default, replicationFactor=default)",
            id="create as the broker likes",
        ),
        pytest.param(AddPartitions("t", 3, 6), "grow topic t from 3 to 6 partitions", id="grow"),
        pytest.param(
            AlterConfig("t", {"b": "2", "a": "1"}, ("d", "c")),
            "alter topic t: set a=1, set b=2, reset c, reset d",
            id="alter",
        ),
        pytest.param(DeleteTopic("t", "id-1"), "delete topic t with its records", id="delete"),
        pytest.param(ReleaseTopic("t", owner()), "release topic t", id="release"),
    ],
)
def test_describe(change: TopicChange, line: str) -> None:
    assert change.describe() == line


def test_hash_is_of_the_changes_in_their_order() -> None:
    one, two = AddPartitions("t", 3, 6), AlterConfig("t", {"a": "1"})
    assert Plan((one, two)).hash() == Plan((one, two)).hash()
    assert len({Plan((one, two)).hash(), Plan((two, one)).hash(), Plan((one,)).hash(), Plan().hash()}) == 4


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_fingerprint_tells_texts_apart(one: list[str], two: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*two)) == (one == two)
