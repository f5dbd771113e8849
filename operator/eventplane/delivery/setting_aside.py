"""Writes into retry and dead-letter topics, until they succeed: before that, nothing is acknowledged."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from eventplane.delivery.work import Work
from eventplane.events.dead_letters import postponed, set_aside
from eventplane.events.delivery import Failure
from eventplane.events.record import Header, Place
from eventplane.transports.seams import Writer

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 2.0
"""Until what could not be set aside is tried again."""


class SettingAside:
    """Sets events aside; a partition whose events cannot be set aside stands still and says so."""

    def __init__(self, subscription: str, writer: Writer, now_ms: Callable[[], int]) -> None:
        self._subscription = subscription
        self._writer = writer
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()

    def write(self, work: Work, topic: str, failure: Failure, delay_ms: int | None, done: Callable[[], None]) -> None:
        """Write an event with its history to a topic; done once it is there."""
        history = set_aside(
            work.record,
            work.past,
            failure,
            subscription=self._subscription,
            attempts=work.attempt,
            first_failure_ms=work.first_failure_ms,
            now_ms=self._now_ms(),
            delay_ms=delay_ms,
        )
        if work.route:
            history = dataclasses.replace(history, route=work.route)
        self._send(work, topic, history.headers(work.record), done)

    def postpone(self, work: Work, topic: str, due_ms: int, done: Callable[[], None]) -> None:
        """Write an event to a topic in which it waits for its time; done once it is there."""
        waiting = postponed(work.record, work.past, subscription=self._subscription, due_ms=due_ms)
        self._send(work, topic, waiting.headers(work.record), done)

    def _send(self, work: Work, topic: str, headers: Sequence[Header], done: Callable[[], None]) -> None:
        if work.partition.is_gone:
            done()
            return
        record = work.record
        answered = partial(self._answered, work, topic, headers, done)
        self._writer.write(topic, record.key(), record.value(), headers, answered)

    def _answered(
        self, work: Work, topic: str, headers: Sequence[Header], done: Callable[[], None], failure: Failure | None
    ) -> None:
        partition = work.partition
        if failure is None:
            if partition.stopped is not None:
                partition.stopped = None
                log_going_on(partition.place)
            done()
            return
        if partition.stopped is None:
            partition.stopped = failure.message
            log_standing_still(partition.place, failure)
        self._loop.call_later(AGAIN_SECONDS, self._send, work, topic, headers, done)


def log_standing_still(place: Place, failure: Failure) -> None:
    """Say that a partition stands still, which is what its owner has to know of all there is to know."""
    fields = _fields(place) | {"problem": failure.message}
    logger.error(
        "a partition stands still: what failed in it, or has to wait, cannot be set aside", extra={"fields": fields}
    )


def log_waiting(place: Place, offset: int, due_ms: int) -> None:
    """Say that a partition waits for the time of an event, which its owner sees as lag."""
    fields = _fields(place) | {"offset": offset, "due": due_ms}
    logger.info("a partition waits in place for the time of an event", extra={"fields": fields})


def log_going_on(place: Place) -> None:
    """Say that a partition that had stood still goes on."""
    logger.info("a partition goes on", extra={"fields": _fields(place)})


def _fields(place: Place) -> dict[str, object]:
    return {"topic": place[0], "partition": place[1]}
