"""The bucket of tokens: the table, and what holds whatever is asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventplane.events.rates import Bucket, full_bucket, take


@pytest.mark.parametrize(
    ("tokens", "count", "left", "wait"),
    [
        (10.0, 4, 6.0, 0.0),
        (2.0, 4, 2.0, 0.2),
        (10.0, 25, -15.0, 0.0),
        (9.0, 25, 9.0, 0.1),
        (-15.0, 1, -15.0, 1.6),
    ],
    ids=["enough", "too few", "a large batch", "a large batch, not full", "a debt"],
)
def test_take(tokens: float, count: int, left: float, wait: float) -> None:
    bucket, seconds = take(Bucket(tokens, 100.0), count, 10.0, 100.0)
    assert bucket == Bucket(left, 100.0)
    assert seconds == pytest.approx(wait)


def test_it_fills_with_time_and_not_beyond_a_seconds_worth() -> None:
    assert take(Bucket(0.0, 100.0), 5, 10.0, 100.5)[0] == Bucket(0.0, 100.5)
    assert take(Bucket(0.0, 100.0), 1, 10.0, 999.0)[0] == Bucket(9.0, 999.0)


def test_a_rate_below_one_a_second_still_lets_one_through() -> None:
    bucket, wait = take(full_bucket(0.1, 0.0), 1, 0.1, 0.0)
    assert (bucket.tokens, wait) == (0.0, 0.0)
    assert take(bucket, 1, 0.1, 0.0)[1] == pytest.approx(10.0)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 3)), max_size=30), st.floats(0.5, 50))
def test_never_more_than_the_rate_and_one_batch_at_once(asked: list[tuple[int, float]], rate: float) -> None:
    now, taken, bucket = 0.0, 0, full_bucket(rate, 0.0)
    for count, passed in asked:
        now += passed
        bucket, wait = take(bucket, count, rate, now)
        if wait:
            assert take(bucket, count, rate, now + wait + 1e-6)[1] == 0.0
        else:
            taken += count
    assert taken <= rate * now + max(rate, 1.0) + 30
