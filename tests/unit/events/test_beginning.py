"""Where a group begins: the rows of the table."""

from __future__ import annotations

import pytest

from eventplane.events.beginning import Beginning, Committed, End, FirstAfter, LookBack, Start, starts

PLACE, OTHER = ("orders", 0), ("orders", 1)


@pytest.mark.parametrize(
    ("committed", "start_from", "expected"),
    [
        pytest.param({PLACE: 5}, "Latest", Committed(5), id="1: committed"),
        pytest.param({OTHER: 5}, "Latest", Beginning(), id="2: a new partition"),
        pytest.param({("payments", 0): 5}, "Latest", End(), id="another topic says nothing"),
        pytest.param({}, "Earliest", Beginning(), id="3: Earliest"),
        pytest.param({}, "Latest", End(), id="4: Latest"),
        pytest.param({}, "2024-01-01T00:00:00Z", FirstAfter(1_704_067_200_000), id="5: a time"),
    ],
)
def test_start(committed: dict[tuple[str, int], int], start_from: str, expected: Start) -> None:
    assert starts((PLACE,), committed, start_from, frozenset()) == {PLACE: expected}


def test_retry_topics_are_read_from_their_beginning() -> None:
    assert starts((PLACE,), {}, "Latest", frozenset({"orders"})) == {PLACE: Beginning()}


def test_a_look_back_supposes_the_last_record_to_be_older_and_older() -> None:
    ages = list(LookBack(8_000, 10).ages_ms(1_000_000))
    assert ages == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000]
    assert next(LookBack(1, 10).ages_ms(1_000)) == 1
