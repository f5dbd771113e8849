"""Who and what is in topics: records, their keys, their age, and the groups that read them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, TopicPartition
from confluent_kafka.admin import ConsumerGroupDescription, OffsetSpec, TopicDescription  # type: ignore[attr-defined]  # public

from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.errors import is_notice, translate
from eventplane.backends.kafka.ledger_topic import inspection_settings
from eventplane.backends.kafka.offsets import Place, list_offsets
from eventplane.planning.outcome import Unavailable
from eventplane.planning.topic_state import TopicUsage

_LATEST_RECORDS: Final = 100
_READING_SECONDS: Final = 10.0
_SLICE_SECONDS: Final = 0.1
_IDLE: Final = (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD)
_REBALANCING: Final = (ConsumerGroupState.PREPARING_REBALANCING, ConsumerGroupState.COMPLETING_REBALANCING)
_LOOKS_AT_GROUPS: Final = 5
_REBALANCE_SECONDS: Final = 0.5


class UsageInspection:
    """Looks at the use of topics on one cluster."""

    def __init__(self, client: KafkaClient) -> None:
        self._client = client

    async def look(self, described: Mapping[str, TopicDescription]) -> dict[str, TopicUsage]:
        """Look at the use of described topics.

        Raises:
            Unavailable, Rejected: it could not be seen in full.
        """
        if not described:
            return {}
        places = [(name, info.id) for name, topic in described.items() for info in topic.partitions]
        starts = await self._offsets(places, OffsetSpec.earliest())
        ends = await self._offsets(places, OffsetSpec.latest())
        newest = await self._offsets(places, OffsetSpec.max_timestamp())
        held = [place for place in places if starts[place][0] < ends[place][0]]
        tails = {place: (max(starts[place][0], ends[place][0] - _LATEST_RECORDS), ends[place][0]) for place in held}
        keyed = await self._client.in_thread(lambda: self._keyed(tails)) if tails else set()
        groups = await self._groups()
        return {
            name: TopicUsage(
                holds_records=any(topic == name for topic, _ in held),
                keyed=name in keyed,
                newest_record_ms=max((newest[place][1] for place in held if place[0] == name), default=None),
                active_groups=tuple(sorted(group for group, topics in groups.items() if name in topics)),
            )
            for name in described
        }

    async def _offsets(self, places: Sequence[Place], spec: OffsetSpec) -> dict[Place, tuple[int, int]]:
        """Return offset and timestamp (ms) by place."""
        answers = await list_offsets(self._client, {TopicPartition(*place): spec for place in places})
        offsets: dict[Place, tuple[int, int]] = {}
        for place, answer in answers.items():
            if isinstance(answer, KafkaError):
                raise translate(answer, f"topic {place.topic}", f"Describe on topic {place.topic}")
            offsets[place.topic, place.partition] = answer.offset, answer.timestamp
        return offsets

    async def _groups(self) -> dict[str, set[str]]:
        """Return the topics that live members are assigned to, by group."""
        right = "Describe on the cluster"
        listed = (
            await self._client.ask(
                "ListGroups",
                right,
                lambda admin: {"": admin.list_consumer_groups(request_timeout=self._client.timeout_seconds)},
            )
        )[""]
        if isinstance(listed, KafkaError):
            raise translate(listed, "consumer groups", right)
        names = [group.group_id for group in listed.valid if group.state not in _IDLE]
        groups = await self._describe_groups(names) if names else []
        return {
            group.group_id: {place.topic for member in group.members for place in member.assignment.topic_partitions}
            for group in groups
        }

    async def _describe_groups(self, names: list[str]) -> list[ConsumerGroupDescription]:
        """Describe groups, and again where one rebalances: nobody is assigned then, and soon somebody will be."""
        right = "Describe on the consumer groups"
        for look in range(_LOOKS_AT_GROUPS):
            await asyncio.sleep(_REBALANCE_SECONDS if look else 0)
            answers = await self._client.ask(
                "DescribeGroups",
                right,
                lambda admin: admin.describe_consumer_groups(names, request_timeout=self._client.timeout_seconds),
            )
            groups: list[ConsumerGroupDescription] = []
            for name, answer in answers.items():
                if isinstance(answer, KafkaError):
                    raise translate(answer, f"consumer group {name}", f"Describe on group {name}")
                groups.append(answer)
            if not any(group.state in _REBALANCING for group in groups):
                break
        return groups

    def _keyed(self, tails: Mapping[Place, tuple[int, int]]) -> set[str]:
        """Read from the first to before the second offset of each place, and name the topics that have keys."""
        consumer = Consumer(self._client.settings | inspection_settings())
        try:
            consumer.assign([TopicPartition(topic, part, start) for (topic, part), (start, _) in tails.items()])
            return self._read_keys(consumer, {place: end for place, (_, end) in tails.items()})
        finally:
            consumer.close()

    def _read_keys(self, consumer: Consumer, ends: dict[Place, int]) -> set[str]:
        keyed: set[str] = set()
        deadline = time.monotonic() + _READING_SECONDS
        while ends and not self._client.closing and time.monotonic() < deadline:
            for message in consumer.consume(_LATEST_RECORDS, _SLICE_SECONDS):
                error, topic = message.error(), message.topic() or ""
                place = topic, message.partition() or 0
                if error is not None and not is_notice(error):
                    raise translate(error, f"topic {topic}", f"Read on topic {topic}")
                if error is None and message.key() is not None:
                    keyed.add(topic)
                if topic in keyed or (message.offset() or 0) + (error is None) >= ends.get(place, 0):
                    ends.pop(place, None)
        if ends:
            raise Unavailable("Kafka did not hand over the latest records in time")
        return keyed
