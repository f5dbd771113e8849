"""Whatever the order in which events are read: each stream gets its own, once and in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from eventplane.eventstore.restoring import Mending, Stream
from eventplane.eventstore.stored import NewRow

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B = Stream("", "a"), Stream("t", "a")


def row(number: int) -> NewRow:
    return NewRow(f"e{number}", "moved", "{}")


@st.composite
def readings(draw: st.DrawFn) -> tuple[Mapping[Stream, int], list[list[tuple[Stream, int]]]]:
    """How many events streams have, and these in any order, some of them twice, in batches."""
    lengths = {A: draw(st.integers(0, 8)), B: draw(st.integers(0, 8))}
    events = [(stream, version) for stream, length in lengths.items() for version in range(1, length + 1)]
    twice = draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    order = draw(st.permutations([*events, *twice]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    return lengths, [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@given(readings())
def test_each_event_is_given_once_and_in_its_order(
    reading: tuple[Mapping[Stream, int], list[list[tuple[Stream, int]]]],
) -> None:
    lengths, batches = reading
    mending = Mending()
    given_so_far: dict[Stream, list[str]] = {A: [], B: []}
    for batch in batches:
        for stream, version in batch:
            mending.add(stream, version, row(version))
        for stretch in mending.stretches():
            assert stretch.after == len(given_so_far[stretch.stream])
            given_so_far[stretch.stream] += [each.event_id for each in stretch.rows]
    assert given_so_far == {stream: [f"e{n}" for n in range(1, length + 1)] for stream, length in lengths.items()}
    assert mending.gaps() == {}
    assert mending.aggregates == sum(length > 0 for length in lengths.values())


def test_what_is_missing_is_named_and_what_comes_before_is_there() -> None:
    mending = Mending()
    for stream, version in ((A, 1), (A, 3), (A, 4), (B, 2)):
        mending.add(stream, version, row(version))
    assert [(each.stream, each.after, len(each.rows)) for each in mending.stretches()] == [(A, 0, 1)]
    assert mending.gaps() == {A: 2, B: 1}
    assert mending.aggregates == 1
