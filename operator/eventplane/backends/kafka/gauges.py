"""The GaugeBackend of a real Kafka cluster: a handful of requests for all topics and groups together."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    OffsetSpec,
    TopicDescription,
)

from eventplane.backends.kafka.client import KafkaClient, OnCall
from eventplane.backends.kafka.descriptions import Denied, chunks, describe_topics
from eventplane.backends.kafka.errors import is_absent, translate
from eventplane.backends.kafka.group_offsets import Committed, committed_offsets
from eventplane.backends.kafka.offsets import Place, list_offsets
from eventplane.backends.kafka.wire_client import WireClient
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.gauge_state import GaugeQuery, ObservedGauge, PartitionOffsets
from eventplane.planning.outcome import BackendError

_PLACES_PER_REQUEST: Final = 500
"""An answer is an object for each partition, and more of them at once would hold up the event loop."""
_NOTHING: Final[Committed] = {}


@dataclass(frozen=True, slots=True)
class _Sight:
    """What was seen of all topics and groups."""

    described: Mapping[str, TopicDescription]
    denied: Denied
    committed: Mapping[str, Committed | BackendError]
    starts: Mapping[Place, tuple[int, int]] = field(default_factory=dict)
    ends: Mapping[Place, tuple[int, int]] = field(default_factory=dict)
    oldest: Mapping[Place, tuple[int, int]] = field(default_factory=dict)


class KafkaGaugeBackend:
    """Offsets on one Kafka cluster, for one event loop."""

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        client_id: str,
        timeout_seconds: float = 15.0,
        on_call: OnCall | None = None,
    ) -> None:
        """Prepare to connect; nothing is sent before the first call.

        Args:
            connection: where and as whom.
            client_id: what the brokers' logs and quotas know this client by.
            timeout_seconds: how long an answer is waited for.
            on_call: told of every request: the API's name, seconds, whether it was answered; from the event loop.

        Raises:
            Rejected: the connection makes no sense to the client, such as a certificate that is none.
        """
        self._client = KafkaClient(connection, client_id=client_id, timeout_seconds=timeout_seconds, on_call=on_call)
        self._wire = WireClient(
            connection, client_id=client_id, thread=f"{client_id}-groups", timeout_seconds=timeout_seconds
        )

    async def observe(self, keys: Collection[GaugeQuery]) -> Mapping[GaugeQuery, ObservedGauge]:
        """Look at topics and groups; see GaugeBackend."""
        if not keys:
            return {}
        sight = await self._look(keys)
        return {key: _observed(key, sight) for key in keys}

    async def close(self) -> None:
        """Release connections and threads, within a second."""
        await asyncio.gather(self._wire.close(), self._client.close(lambda: None))

    async def _look(self, keys: Collection[GaugeQuery]) -> _Sight:
        """Ask for the groups' offsets before the ends: what is read in between is no lag."""
        denied: Denied = {}
        groups = sorted({key.group for key in keys if key.group is not None})
        described, committed = await asyncio.gather(
            describe_topics(self._client, sorted({key.topic for key in keys}), denied),
            committed_offsets(self._client, self._wire, groups),
        )
        places = [(name, info.id) for name, topic in described.items() for info in topic.partitions]
        asked = {key.topic for key in keys if key.oldest}
        # one after the other: answers that come together hold up the event loop together
        starts = await self._offsets(places, OffsetSpec.earliest(), denied)
        ends = await self._offsets(places, OffsetSpec.latest(), denied)
        # the first record not older than 1970: its time comes along, and nobody need be allowed to read
        aged = [place for place in places if place[0] in asked]
        oldest = await self._offsets(aged, OffsetSpec.for_timestamp(0), denied)
        return _Sight(described, denied, committed, starts, ends, oldest)

    async def _offsets(self, places: Sequence[Place], spec: OffsetSpec, denied: Denied) -> dict[Place, tuple[int, int]]:
        """Return offset and timestamp (ms) by place; why some could not be told is entered in `denied`."""
        found: dict[Place, tuple[int, int]] = {}
        for part in chunks(places, _PLACES_PER_REQUEST):
            answers = await list_offsets(self._client, {TopicPartition(*place): spec for place in part})
            for place, answer in answers.items():
                if not isinstance(answer, KafkaError):
                    found[place.topic, place.partition] = answer.offset, answer.timestamp
                elif not is_absent(answer):
                    right = f"Describe on topic {place.topic}"
                    denied[place.topic] = translate(answer, f"topic {place.topic}", right)
        return found


def _observed(key: GaugeQuery, sight: _Sight) -> ObservedGauge:
    committed = sight.committed[key.group] if key.group is not None else _NOTHING
    error = sight.denied.get(key.topic) or (committed if isinstance(committed, BackendError) else None)
    if error is not None or isinstance(committed, BackendError):
        return ObservedGauge(error=error)
    description = sight.described.get(key.topic)
    places = [(key.topic, info.id) for info in description.partitions] if description is not None else []
    return ObservedGauge(
        partitions={
            place[1]: PartitionOffsets(
                min(sight.starts[place][0], sight.ends[place][0]), sight.ends[place][0], committed.get(place)
            )
            for place in places
            if place in sight.starts and place in sight.ends
        },
        oldest_ms=min((time for _, time in _of(places, sight.oldest) if key.oldest and time >= 0), default=None),
    )


def _of(places: Sequence[Place], offsets: Mapping[Place, tuple[int, int]]) -> list[tuple[int, int]]:
    return [offsets[place] for place in places if place in offsets]
