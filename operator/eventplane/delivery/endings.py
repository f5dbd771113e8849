"""From the sink's answer to the end of an event: carries out what was decided about it."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.counts import Counts
from eventplane.delivery.flow import Flow
from eventplane.delivery.setting_aside import SettingAside
from eventplane.delivery.work import PartitionWork, Work
from eventplane.events.delivery import (
    Acknowledge,
    DeadLetter,
    Failure,
    MoveToTier,
    RetryInPlace,
    attempts_after,
    decide,
)


@dataclass(frozen=True, slots=True)
class Ambience:
    """Time and chance."""

    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    chance: Callable[[], float] = random.random
    leave_seconds: float = 20.0


class Endings:
    """What becomes of work after an attempt."""

    def __init__(
        self,
        config: RuntimeConfig,
        counts: Counts,
        flow: Flow,
        aside: SettingAside,
        ambience: Ambience,
        try_again: Callable[[Work], None],
        resume: Callable[[PartitionWork], None],
    ) -> None:
        """Tell `try_again` when the time has come, and `resume` when a partition has more room."""
        self.progressed = asyncio.Event()
        """Set whenever something has ended."""
        self._rules = config.retry
        self._ordering = config.delivery.ordering
        self._counts = counts
        self._flow = flow
        self._aside = aside
        self._ambience = ambience
        self._try_again = try_again
        self._resume = resume
        self._loop = asyncio.get_running_loop()

    def answered(self, work: Work, failure: Failure | None) -> None:
        """Decide about work whose attempt has ended."""
        self._progress(work.partition)
        if work.partition.is_gone:
            return
        chance = self._ambience.chance() if failure is not None else 0.0
        # how often it was put off through no fault of its own is not counted, so it is always the shorter wait
        attempt = work.attempt if failure is None or failure.blames_event else 1
        verdict = decide(failure, attempt, self._rules, self._ordering, chance)
        counts = self._counts.of(work.route)
        if failure is not None:
            counts.failures[failure.reason] += 1
            work.first_failure_ms = work.first_failure_ms or self._ambience.now_ms()
        match verdict:
            case Acknowledge():
                self._delivered(work)
            case RetryInPlace(delay_ms):
                counts.retried_in_place += 1
                self._try_later(work, failure, delay_ms)
            case MoveToTier(topic, moved, delay_ms):
                self._set_aside(work, topic, moved, delay_ms)
            case DeadLetter(topic, given_up):
                self._set_aside(work, topic, given_up, None)

    def _progress(self, partition: PartitionWork) -> None:
        partition.under_way -= 1
        partition.progress = self._loop.time()
        self.progressed.set()

    def _delivered(self, work: Work) -> None:
        self._counts.of(work.route).deliver(work.record, self._ambience.now_ms())
        self.finish(work)

    def _try_later(self, work: Work, failure: Failure | None, delay_ms: int) -> None:
        if failure is not None:
            work.attempt = attempts_after(failure, work.attempt)
        if work.partition.lanes[work.route].held(work.lane, work.offset, work):
            self._loop.call_later(delay_ms / 1000, self._again, work)

    def _again(self, work: Work) -> None:
        if not work.partition.is_leaving:
            self._try_again(work)

    def postpone(self, work: Work, topic: str, due_ms: int) -> None:
        """Let work that has not started wait in a topic for its time; here it is finished once it is there."""
        if work.partition.under_way == 0:
            work.partition.progress = self._loop.time()
        work.partition.under_way += 1
        self._aside.postpone(work, topic, due_ms, partial(self._was_postponed, work))

    def _was_postponed(self, work: Work) -> None:
        self._progress(work.partition)
        if not work.partition.is_gone:
            self._counts.postponed_in_topic += 1
            self._finish_aside(work)

    def _set_aside(self, work: Work, topic: str, failure: Failure, delay_ms: int | None) -> None:
        work.partition.under_way += 1
        self._aside.write(work, topic, failure, delay_ms, partial(self._was_set_aside, work, failure, delay_ms))

    def _was_set_aside(self, work: Work, failure: Failure, delay_ms: int | None) -> None:
        self._progress(work.partition)
        if work.partition.is_gone:
            return
        counts = self._counts.of(work.route)
        if delay_ms is None:
            counts.dead_lettered[failure.reason] += 1
        else:
            counts.retried_in_topic += 1
        self._finish_aside(work)

    def _finish_aside(self, work: Work) -> None:
        """Finish with work that is in another topic; where that had stopped the partition, it goes on."""
        if work.partition.stopped is None and work.partition.held:
            self._flow.offer_first(work.partition.held)
            work.partition.held = []
        self.finish(work)
        self._flow.pump()

    def finish(self, work: Work) -> None:
        """Do nothing more about work; the one behind it in its lane may start."""
        partition = work.partition
        if partition.is_last(work.offset):
            partition.tracker.finished(work.offset)
            partition.records -= 1
            partition.bytes -= work.size
        following = partition.lanes[work.route].left(work.lane, work.offset)
        if following is not None:
            self._flow.offer(following)
        self._resume(partition)
