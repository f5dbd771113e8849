"""The work queue: what is taken when."""

import asyncio
from itertools import pairwise

import pytest

from eventplane.controllers import queue
from eventplane.controllers.queue import Urgency, WorkQueue


class Clock:
    """Loop time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock, jitter=lambda: 0.5)


def taken(work: WorkQueue[str], limit: int = 100) -> list[str]:
    return [item.key for item in work.take(limit)]


def test_what_is_added_often_is_taken_once(work: WorkQueue[str]) -> None:
    for _ in range(3):
        work.add("a")
    assert taken(work) == ["a"]
    assert taken(work) == []


def test_a_key_keeps_the_time_since_when_it_is_dirty(work: WorkQueue[str], clock: Clock) -> None:
    work.add("a")
    clock.now += 5
    work.add("a")
    assert work.take(1)[0].since == 100.0


def test_a_key_in_flight_is_not_taken_again_before_it_is_back(work: WorkQueue[str]) -> None:
    work.add("a")
    assert taken(work) == ["a"]
    work.add("a")
    assert taken(work) == []
    work.done("a")
    assert taken(work) == ["a"]
    work.done("a")
    assert taken(work) == []


def test_the_most_urgent_reason_counts_while_in_flight_too(work: WorkQueue[str], clock: Clock) -> None:
    work.add("a")
    taken(work)
    work.add("a", Urgency.RESYNC)
    work.add("a", Urgency.DELETE)
    work.done("a")
    clock.now -= 1
    work.add("b", Urgency.CHANGE)
    assert taken(work) == ["a", "b"]


def test_deletes_go_first_resync_last_and_the_oldest_of_equals(work: WorkQueue[str], clock: Clock) -> None:
    for key, urgency in (
        ("resync", Urgency.RESYNC),
        ("change", Urgency.CHANGE),
        ("later change", Urgency.CHANGE),
        ("delete", Urgency.DELETE),
    ):
        work.add(key, urgency)
        clock.now += 1
    assert taken(work) == ["delete", "change", "later change", "resync"]


def test_a_resync_becomes_a_delete_and_never_the_other_way_round(work: WorkQueue[str]) -> None:
    work.add("a", Urgency.RESYNC)
    work.add("b", Urgency.CHANGE)
    work.add("a", Urgency.DELETE)
    work.add("a", Urgency.RESYNC)
    assert taken(work) == ["a", "b"]


def test_a_limit_leaves_the_rest(work: WorkQueue[str]) -> None:
    for key in "abc":
        work.add(key)
    assert taken(work, 2) == ["a", "b"]
    assert taken(work, 2) == ["c"]


def test_a_change_does_not_share_its_pass_with_a_whole_resync(work: WorkQueue[str], clock: Clock) -> None:
    for number in range(queue.MOST_RESYNCS + 50):
        work.add(f"resync-{number:03}", Urgency.RESYNC)
    clock.now += 1
    work.add("change", Urgency.CHANGE)
    beside = taken(work, 1000)
    assert beside == ["change", *(f"resync-{number:03}" for number in range(queue.LEAST_RESYNCS))]
    assert len(taken(work, 1000)) == queue.MOST_RESYNCS
    assert len(taken(work, 1000)) == 50 - queue.LEAST_RESYNCS


def test_a_resync_is_taken_in_small_parts_and_within_the_limit(work: WorkQueue[str]) -> None:
    for number in range(queue.MOST_RESYNCS + 1):
        work.add(f"{number:03}", Urgency.RESYNC)
    assert len(taken(work, 3)) == 3
    assert len(taken(work, 1000)) == queue.MOST_RESYNCS - 2


@pytest.mark.parametrize(
    ("seconds", "then"),
    [
        ([0.01], 200),  # never more than the most
        ([0.4], 50),  # 200 in 0.4 s are 50 in a tenth
        ([0.4, 0.4], 20),  # 50 in 0.4 s would be 12: never fewer than the least
        ([0.4, 0.05], 100),
        ([9, 0.01], 40),  # it grows to the double at most
        ([9, 0.01, 0.01, 0.01, 0.01], 200),
        ([0], 200),
    ],
)
def test_a_pass_over_resyncs_is_as_large_as_it_is_fast(work: WorkQueue[str], seconds: list[float], then: int) -> None:
    for number in range(1000):
        work.add(f"{number:04}", Urgency.RESYNC)
    for each in seconds:
        work.paced(work.take(1000), each)
    assert len(taken(work, 1000)) == then


def test_however_slow_a_pass_is_it_takes_its_share_of_what_waits(work: WorkQueue[str]) -> None:
    for number in range(10_000):
        work.add(f"{number:05}", Urgency.RESYNC)
    sizes = []
    while work.depth():
        items = work.take(1000)
        sizes.append(len(items))
        work.paced(items, 9.0)
        for item in items:
            work.done(item.key)
    assert sizes[:3] == [200, 196, 192]
    assert sizes[-2] == queue.LEAST_RESYNCS
    assert len(sizes) < 10_000 / queue.LEAST_RESYNCS / 2


def test_from_a_pass_with_a_change_or_with_few_nothing_is_learnt(work: WorkQueue[str]) -> None:
    for number in range(1000):
        work.add(f"{number:04}", Urgency.RESYNC)
    work.add("change")
    work.paced(work.take(1000), 9.0)
    work.paced(work.take(queue.LEAST_RESYNCS - 1), 9.0)
    assert len(taken(work, 1000)) == queue.MOST_RESYNCS


def retried(work: WorkQueue[str], key: str = "a") -> float:
    work.add(key)
    taken(work)
    work.done(key, ok=False)
    return work.retry(key)


def test_retries_wait_twice_as_long_each_time_up_to_the_cap(
    work: WorkQueue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "FIRST_RETRY_SECONDS", 0.5)
    delays = [retried(work) for _ in range(40)]
    assert delays[0] == pytest.approx(0.5)
    assert all(after == pytest.approx(min(2 * before, queue.LAST_RETRY_SECONDS)) for before, after in pairwise(delays))
    assert delays[-1] == queue.LAST_RETRY_SECONDS


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.75), (1.0, 1.25)])
def test_jitter_spreads_a_retry_by_a_quarter_to_either_side(
    clock: Clock, jitter: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "FIRST_RETRY_SECONDS", 0.5)
    assert WorkQueue[str](clock, jitter=lambda: jitter).retry("a") == pytest.approx(0.5 * share)


def test_a_success_ends_the_row_of_retries(work: WorkQueue[str]) -> None:
    first = retried(work)
    assert retried(work) == pytest.approx(2 * first)
    work.add("a")
    taken(work)
    work.done("a")
    assert retried(work) == pytest.approx(first)


def test_one_keys_failures_do_not_slow_another(work: WorkQueue[str]) -> None:
    first = retried(work, "a")
    retried(work, "a")
    assert retried(work, "b") == pytest.approx(first)


def test_what_is_delayed_is_taken_when_it_is_due(work: WorkQueue[str], clock: Clock) -> None:
    delay = work.retry("a")
    clock.now += delay * 0.99
    assert taken(work) == []
    clock.now += delay * 0.02
    assert taken(work) == ["a"]


def test_a_change_does_not_wait_for_the_delay(work: WorkQueue[str]) -> None:
    retried(work)
    work.add("a")
    assert taken(work) == ["a"]


def test_what_is_due_while_in_flight_waits_for_its_return(work: WorkQueue[str], clock: Clock) -> None:
    delay = retried(work)
    work.add("a")
    assert taken(work) == ["a"]
    clock.now += delay
    assert taken(work) == []
    work.done("a")
    assert taken(work) == ["a"]


def test_an_appointment_is_kept_once_however_often_it_is_made(work: WorkQueue[str], clock: Clock) -> None:
    for _ in range(5):
        work.add_later("a", 60)
        clock.now += 0.1
    clock.now += 59
    assert taken(work) == []
    clock.now += 1
    assert taken(work) == ["a"]
    work.done("a")
    clock.now += 60
    assert taken(work) == []


def test_an_earlier_appointment_is_kept_too_and_a_later_one_does_not_put_it_off(
    work: WorkQueue[str], clock: Clock
) -> None:
    work.add_later("a", 60)
    work.add_later("a", 30)
    work.add_later("a", 90)
    kept = []
    for _ in range(10):
        clock.now += 10
        kept += [clock.now - 100 for key in taken(work)]
        work.done("a")
    assert kept == [30, 60], "who looks once too often makes another appointment"


def test_an_appointment_with_one_key_is_none_with_another(work: WorkQueue[str], clock: Clock) -> None:
    work.add_later("a", 30)
    work.add_later("b", 60)
    clock.now += 60
    assert taken(work) == ["a", "b"]


def test_an_appointment_is_made_anew_after_it_was_kept(work: WorkQueue[str]) -> None:
    work.add_later("a", 0)
    assert taken(work) == ["a"]
    work.add_later("a", 0)
    assert taken(work) == []
    work.done("a")
    assert taken(work) == ["a"]


async def test_ready_wakes_for_an_appointment() -> None:
    work = WorkQueue[str](asyncio.get_running_loop().time)
    waiter = asyncio.create_task(work.ready())
    await asyncio.sleep(0)
    work.add_later("a", 0.01)
    await asyncio.wait_for(waiter, 1)
    assert taken(work) == ["a"]


def test_depth_counts_waiting_and_in_flight_and_age_the_waiting(work: WorkQueue[str], clock: Clock) -> None:
    assert (work.depth(), work.oldest_seconds()) == (0, 0.0)
    work.add("a")
    clock.now += 3
    work.add("b")
    assert (work.depth(), work.oldest_seconds()) == (2, 3.0)
    taken(work, 1)
    assert (work.depth(), work.oldest_seconds()) == (2, 0.0)
    work.done("a")
    assert work.depth() == 1


def test_what_is_discarded_is_not_taken(work: WorkQueue[str]) -> None:
    work.add("a")
    work.discard("a")
    assert taken(work) == []


async def test_ready_returns_at_once_while_something_is_dirty(work: WorkQueue[str]) -> None:
    work.add("a")
    await asyncio.wait_for(work.ready(), 1)


async def test_ready_waits_for_what_becomes_dirty(work: WorkQueue[str]) -> None:
    waiter = asyncio.create_task(work.ready())
    await asyncio.sleep(0)
    assert not waiter.done()
    work.add("a")
    await asyncio.wait_for(waiter, 1)


async def test_ready_wakes_for_what_is_delayed() -> None:
    work = WorkQueue[str](asyncio.get_running_loop().time)
    waiter = asyncio.create_task(work.ready())
    await asyncio.sleep(0)
    delay = work.retry("a")  # while somebody waits without a deadline
    started = asyncio.get_running_loop().time()
    await asyncio.wait_for(waiter, 1)
    assert asyncio.get_running_loop().time() - started >= delay * 0.9
    assert taken(work) == ["a"]


async def test_ready_does_not_count_what_became_dirty_in_flight() -> None:
    work = WorkQueue[str](asyncio.get_running_loop().time)
    work.add("a")
    taken(work)
    work.add("a")
    waiter = asyncio.create_task(work.ready())
    await asyncio.sleep(0.002)
    assert not waiter.done()
    work.done("a")
    await asyncio.wait_for(waiter, 1)
