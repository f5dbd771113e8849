"""How far consumer groups are: the committed offsets of many groups, a request for each broker that coordinates some.

librdkafka asks for one group at a time (confluent-kafka 2.16); Kafka takes many (KIP-699 and KIP-709, since 3.0).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from confluent_kafka import KafkaError
from kafka.errors import KafkaError as PythonKafkaError
from kafka.protocol.consumer import OffsetFetchRequest
from kafka.protocol.metadata import FindCoordinatorRequest

from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.descriptions import chunks
from eventplane.backends.kafka.errors import translate
from eventplane.backends.kafka.wire_client import Admin, WireClient, failure
from eventplane.planning.outcome import BackendError

Committed: TypeAlias = Mapping[tuple[str, int], int]
"""A group's offsets by topic and partition."""

_GROUPS_PER_REQUEST: Final = 2000
_GROUP: Final = 0
"""The protocol's number of coordinators of groups."""
_MANY_COORDINATORS: Final = 4
"""The version of FindCoordinator that takes many groups."""
_MANY_GROUPS: Final = 8
"""The version of OffsetFetch that takes many groups; the 10th has no names of topics."""


async def committed_offsets(
    client: KafkaClient, wire: WireClient, groups: Sequence[str]
) -> dict[str, Committed | BackendError]:
    """Look up what groups have committed; a group that does not exist has committed nothing.

    Args:
        client: awaits requests, and translates their errors.
        wire: sends them.
        groups: names of groups.

    Raises:
        Unavailable, Rejected: see KafkaClient.ask.
    """
    found: dict[str, Committed | BackendError] = {}
    for part in chunks(groups, _GROUPS_PER_REQUEST):
        answers = await _ask(client, wire, part)
        for group, answer in answers.items():
            if isinstance(answer, KafkaError):
                found[group] = translate(answer, f"group {group}", f"Describe on group {group}")
            else:
                found[group] = answer
    return found


async def _ask(client: KafkaClient, wire: WireClient, groups: Sequence[str]) -> dict[str, Committed | KafkaError]:
    work: Callable[[Admin, int], Mapping[str, Committed | KafkaError]] = partial(_fetch, groups)
    return await client.ask("OffsetFetch", "Describe on the groups", lambda _: wire.ask(groups, work))


def _fetch(groups: Sequence[str], admin: Admin, timeout_ms: int) -> Mapping[str, Committed | KafkaError]:
    """Ask who coordinates which group, each time anew: it changes when a broker goes; then ask them."""
    request = FindCoordinatorRequest(
        key_type=_GROUP, coordinator_keys=list(groups), min_version=_MANY_COORDINATORS, max_version=_MANY_COORDINATORS
    )
    answers: dict[str, Committed | KafkaError] = {}
    coordinated: dict[int, list[Any]] = defaultdict(list)
    for row in admin.exchange(request, timeout_ms).coordinators:
        if row.error_code:
            answers[row.key] = KafkaError(row.error_code)
        else:
            coordinated[row.node_id].append(row)
    for rows in coordinated.values():
        answers |= _fetch_from(rows, admin, timeout_ms)
    return answers


def _fetch_from(rows: Sequence[Any], admin: Admin, timeout_ms: int) -> Mapping[str, Committed | KafkaError]:
    """Ask one coordinator; that it does not answer is the answer of its groups alone."""
    group = OffsetFetchRequest.OffsetFetchRequestGroup
    request = OffsetFetchRequest(
        groups=[group(group_id=row.key, topics=None) for row in rows],
        min_version=_MANY_GROUPS,
        max_version=_MANY_GROUPS,
    )
    try:
        response = admin.exchange(request, timeout_ms, coordinator=rows[0])
    except PythonKafkaError as error:
        return {row.key: failure(error) for row in rows}
    return {
        each.group_id: KafkaError(each.error_code) if each.error_code else _offsets(each) for each in response.groups
    }


def _offsets(group: Any) -> Committed:
    return {
        (topic.name, place.partition_index): place.committed_offset
        for topic in group.topics
        for place in topic.partitions
        if not place.error_code and place.committed_offset >= 0
    }
