"""What is remembered for a while: against a model that forgets nothing but what it must."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.expiring import Expiring

TTL = 10.0
STEPS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.booleans(), st.floats(0, 6, allow_nan=False)), min_size=1, max_size=60
)


@given(STEPS, st.integers(1, 4))
def test_never_too_old_never_too_many_and_never_another_value(steps: list[tuple[str, bool, float]], most: int) -> None:
    kept: Expiring[int] = Expiring(TTL, most)
    written: dict[str, tuple[float, int]] = {}
    used: list[str] = []
    """Keys, that of the last use last."""
    now = 0.0
    for number, (key, writes, wait) in enumerate(steps):
        now += wait
        if writes:
            kept.put(key, number, now)
            written[key] = (now, number)
        else:
            found = kept.get(key, now)
            is_true = key in written and now < written[key][0] + TTL
            assert found in ({None, written[key][1]} if is_true else {None})
            if is_true and key in used:
                assert found is not None, "of so many that were used last, none is forgotten"
            if found is None:
                used = [each for each in used if each != key]
                continue
        used = [*(each for each in used if each != key), key][-most:]
        assert len(kept) <= most


def test_what_was_asked_for_least_recently_goes_first() -> None:
    kept: Expiring[str] = Expiring(TTL, 2)
    kept.put("a", "A", 0)
    kept.put("b", "B", 1)
    assert kept.get("a", 2) == "A"
    kept.put("c", "C", 3)
    assert [kept.get(key, 4) for key in "abc"] == ["A", None, "C"]
    assert [kept.get(key, TTL) for key in "ac"] == [None, "C"], "an answer is true for so long, and no longer for use"
    assert len(kept) == 1
