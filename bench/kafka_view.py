"""The bench's own look at Kafka, to tell whether what the statuses say is true."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from e2e.servers import Kafka

_ANSWER_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.25
_PER_REQUEST: Final = 2000


class KafkaView:
    """An admin client that only reads, but for `first_creation`."""

    def __init__(self, kafka: Kafka, brokers: int) -> None:
        settings = kafka.client_config("PLAINTEXT")
        patience = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 50, "log_level": 0}
        self._admin = AdminClient(settings | patience)
        self._brokers = brokers

    async def partitions(self) -> dict[str, int]:
        """Return the partitions of each topic that there is."""
        metadata = await asyncio.to_thread(self._admin.list_topics, timeout=_ANSWER_SECONDS)
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    async def shown(self, topics: Iterable[str], partitions: int) -> float:
        """Wait until topics are shown with that many partitions; return when that was, `time.perf_counter`.

        Kafka answers a creation when its controller has it; a broker shows it once it has made the files.
        """
        expected = dict.fromkeys(topics, partitions)
        while not expected.items() <= (await self.partitions()).items():  # noqa: ASYNC110 - Kafka has no watch
            await asyncio.sleep(_LOOK_SECONDS)
        return time.perf_counter()

    async def show_setting(self, topics: Sequence[str], setting: tuple[str, str]) -> None:
        """Wait until topics have a setting."""
        key, value = setting
        for begin in range(0, len(topics), _PER_REQUEST):
            part = topics[begin : begin + _PER_REQUEST]
            while {settings[key] for settings in await self._settings(part)} != {value}:  # noqa: ASYNC110 - as above
                await asyncio.sleep(_LOOK_SECONDS)

    async def _settings(self, topics: Sequence[str]) -> list[dict[str, str | None]]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        asked = self._admin.describe_configs(resources, request_timeout=_ANSWER_SECONDS).values()
        answers = await asyncio.gather(*map(asyncio.wrap_future, asked))
        return [{key: entry.value for key, entry in answer.items()} for answer in answers]

    async def none_left(self, topics: set[str]) -> float:
        """Wait until topics are gone; return when that was seen, `time.perf_counter`."""
        while topics & (await self.partitions()).keys():  # noqa: ASYNC110 - Kafka has no watch
            await asyncio.sleep(_POLL_SECONDS)
        return time.perf_counter()

    async def first_answer(self) -> float:
        """Wait until Kafka answers that all its brokers are there; return when that was, `time.perf_counter`."""
        while True:
            with contextlib.suppress(KafkaException):
                asked = self._admin.describe_cluster(request_timeout=1)
                if len((await asyncio.wrap_future(asked)).nodes) >= self._brokers:
                    return time.perf_counter()
            await asyncio.sleep(_POLL_SECONDS)

    async def first_end(self, topic: str) -> float:
        """Wait until Kafka serves a topic's first partition; return when that was, `time.perf_counter`."""
        partition = TopicPartition(topic, 0)
        while True:
            asked = self._admin.list_offsets({partition: OffsetSpec.latest()}, request_timeout=_ANSWER_SECONDS)
            with contextlib.suppress(KafkaException):
                await asyncio.wrap_future(asked[partition])
                return time.perf_counter()
            await asyncio.sleep(_POLL_SECONDS)

    async def first_creation(self, topic: str) -> float:
        """Create a topic as soon as Kafka lets us; return when that was, `time.perf_counter`."""
        while True:
            asked = self._admin.create_topics([NewTopic(topic, 1, 1)], request_timeout=_ANSWER_SECONDS)[topic]
            with contextlib.suppress(KafkaException):
                await asyncio.wrap_future(asked)
                return time.perf_counter()
            await asyncio.sleep(_POLL_SECONDS)
