"""Which topics there are, asked of Kafka in one request for all and believed for a while.

A producer tells of a topic that does not exist only after ten seconds, and a question about one may create it.
"""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol

from confluent_kafka import Consumer, KafkaException

from eventplane.gateway.problems import ProblemError
from eventplane.transports.kafka_settings import consumer_settings

_KEPT_SECONDS: Final = 30.0
_SOONEST_SECONDS: Final = 1.0
"""Between two looks for a topic unheard of."""
_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 2.0


class Directory(Protocol):
    """Knows topics."""

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has.

        Raises:
            ProblemError: 404, there is no such topic; 503, nobody can tell now.
        """
        ...


class KafkaDirectory:
    """A Directory by Kafka's metadata; what it said last holds while it does not answer."""

    def __init__(self, client: Mapping[str, Any], client_id: str, clock: Callable[[], float]) -> None:
        self._settings = consumer_settings(client, f"{client_id}-directory", client_id, None) | {"log_level": 0}
        self._clock = clock
        self._known: Mapping[str, int] | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._consumer: Consumer | None = None

    @property
    def has_answer(self) -> bool:
        """Whether Kafka has ever answered."""
        return self._known is not None

    async def partitions(self, topic: str) -> int:
        """See Directory."""
        known = self._known or {}
        age = self._clock() - self._asked_at
        if topic in known and age < _KEPT_SECONDS:
            return known[topic]
        async with self._asking:
            is_known = self._known is not None and topic in self._known
            if self._clock() - self._asked_at >= (_KEPT_SECONDS if is_known else _SOONEST_SECONDS):
                await self.refresh()
        if self._known is None:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "no answer from Kafka", retry_after_seconds=_AGAIN_SECONDS
            )
        if topic not in self._known:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no topic {topic}")
        return self._known[topic]

    async def refresh(self) -> None:
        """Ask Kafka."""
        found = await asyncio.to_thread(self._ask)
        self._asked_at = self._clock()
        self._known = found if found is not None else self._known

    async def close(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            await asyncio.to_thread(self._consumer.close)

    def _ask(self) -> Mapping[str, int] | None:
        if self._consumer is None:
            self._consumer = Consumer(self._settings)  # it joins no group
        try:
            topics = self._consumer.list_topics(timeout=_SECONDS).topics
        except KafkaException:
            return None
        return {name: len(each.partitions) for name, each in topics.items() if each.error is None}
