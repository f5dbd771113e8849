"""When events go together: the rows of the table, and that nothing is lost, doubled or moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.sink import Batching
from eventplane.events.batches import BatchLimits, Gathering, batch_limits

LIMITS = BatchLimits(events=3, size=100, linger_seconds=5.0)


def gathered(*sizes: int, limits: BatchLimits = LIMITS) -> Gathering[int]:
    """Let items wait that came at 10, 11, 12 and so on."""
    gathering: Gathering[int] = Gathering(limits)
    for number, size in enumerate(sizes):
        gathering.add(number, size, 10.0 + number)
    return gathering


@pytest.mark.parametrize(
    ("sizes", "due", "taken"),
    [
        pytest.param((), None, [], id="row 1: nothing waits"),
        pytest.param((1, 1, 1), 10.0, [0, 1, 2], id="row 2: as many as there may be"),
        pytest.param((1, 1, 1, 1), 10.0, [0, 1, 2], id="row 2: and no more than fits"),
        pytest.param((60, 40), 10.0, [0, 1], id="row 2: as many bytes as there may be"),
        pytest.param((60, 60), 10.0, [0], id="row 2: and no more bytes"),
        pytest.param((500, 1), 10.0, [0], id="row 2: what is larger than a batch goes alone"),
        pytest.param((1, 1), 15.0, [0, 1], id="row 3: the first has waited for long enough"),
    ],
)
def test_when_a_batch_goes(sizes: tuple[int, ...], due: float | None, taken: list[int]) -> None:
    gathering = gathered(*sizes)
    assert gathering.due_at() == due
    assert gathering.take() == taken


def test_the_wait_of_the_next_is_counted_from_its_own_coming() -> None:
    gathering = gathered(1, 1, 1, 1)
    gathering.take()
    assert gathering.due_at() == 18.0


@given(
    st.lists(st.integers(0, 200), max_size=50),
    st.builds(BatchLimits, st.integers(1, 5), st.integers(1, 300), st.just(1.0)),
)
def test_every_item_goes_once_in_order_and_no_batch_is_too_large(sizes: list[int], limits: BatchLimits) -> None:
    gathering = gathered(*sizes, limits=limits)
    batches = []
    while gathering.due_at() is not None:
        batches.append(gathering.take())
    assert [item for batch in batches for item in batch] == list(range(len(sizes)))
    assert all(0 < len(batch) <= limits.events for batch in batches)
    assert all(len(batch) == 1 or sum(sizes[item] for item in batch) <= limits.size for batch in batches)


def test_what_a_user_writes() -> None:
    assert batch_limits(Batching()) == BatchLimits(100, 1_048_576, 0.1)
    assert batch_limits(Batching(max_events=2, max_size="3k", linger="2s")) == BatchLimits(2, 3_000, 2.0)
