"""What counts as repeated, and how much is remembered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.seen import Seen

MOST = 1_000


def repeated(seen: Seen, event_id: str, offset: int, at_ms: int = 0) -> bool:
    return seen.is_repeated("/shop", event_id, offset, at_ms, MOST)


def test_the_same_id_of_the_same_source_within_the_window() -> None:
    seen = Seen(100)
    assert not repeated(seen, "a", 0, 50)
    assert not seen.is_repeated("/bank", "a", 1, 60, MOST)
    assert repeated(seen, "a", 2, 150)
    assert not repeated(seen, "a", 3, 151), "the window begins with the first"
    assert repeated(seen, "a", 4, 160)


def test_no_id_is_made_of_parts_of_another() -> None:
    seen = Seen(100)
    assert not seen.is_repeated("ab", "c", 0, 0, MOST)
    assert not seen.is_repeated("a", "bc", 1, 0, MOST)


def test_a_record_that_is_read_again_is_not_its_own_repetition() -> None:
    seen = Seen(100)
    for _ in range(2):
        assert not repeated(seen, "a", 5, 10)
        assert not repeated(seen, "b", 6, 10)
        assert repeated(seen, "a", 7, 11)


def test_late_timestamps_forget_nothing_early() -> None:
    seen = Seen(100)
    for offset, at_ms in enumerate((1_000, 10, 1_050, 20, 1_099)):
        assert not repeated(seen, str(offset), offset, at_ms)
    assert repeated(seen, "0", 9, 1_100)
    assert repeated(seen, "2", 10, 1_100)


def test_what_is_past_is_forgotten() -> None:
    seen = Seen(100)
    for number in range(10_000):
        assert not repeated(seen, str(number), number, number)
    assert 100 <= len(seen) <= 205
    assert seen.forgotten_early == 0


def test_no_more_than_there_is_room_for() -> None:
    seen = Seen(1_000_000)
    for number in range(5_000):
        assert not repeated(seen, str(number), number, number)
        assert len(seen) <= MOST
    assert seen.forgotten_early + len(seen) == 5_000
    assert repeated(seen, "4700", 5_000, 5_000), "half of it is always there"
    assert not repeated(seen, "10", 5_001, 5_001)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 60)), max_size=60), st.integers(0, 59))
def test_read_again_from_anywhere_what_is_repeated_has_been_delivered(
    events: list[tuple[str, int]], again: int
) -> None:
    """After a transaction that was undone, or a crash. Where no id was new twice, all verdicts are the same."""
    times, now = [], 0
    for _, step in events:
        now += step
        times.append(now)
    seen = Seen(50)
    first = [repeated(seen, each, at, times[at]) for at, (each, _) in enumerate(events)]
    begin = min(again, len(events))
    fresh = Seen(50)
    for at, (each, _) in enumerate(events[:begin]):
        repeated(fresh, each, at, times[at])
    rest = list(enumerate(events))[begin:]
    assert [repeated(fresh, each, at, times[at]) for at, (each, _) in rest] == first[begin:]
    once_more = [repeated(fresh, each, at, times[at]) for at, (each, _) in rest]
    delivered = [at for at in range(begin) if not first[at]]
    for (at, (each, _)), is_repeated in zip(rest, once_more, strict=True):
        if not is_repeated:
            delivered.append(at)
            continue
        assert any(events[other][0] == each and times[at] - times[other] <= 50 for other in delivered)
    news = [each for (each, _), was_repeated in zip(events, first, strict=True) if not was_repeated]
    if len(news) == len(set(news)):
        assert once_more == first[begin:]
