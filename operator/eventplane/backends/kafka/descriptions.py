"""What brokers say of themselves and of topics, asked in batches."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import ConfigEntry, ConfigResource, ConfigSource, TopicDescription  # type: ignore[attr-defined]  # public

from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.errors import is_absent, translate
from eventplane.backends.topics import ClusterState
from eventplane.planning.outcome import BackendError, Unavailable

R = TypeVar("R")
T = TypeVar("T")
_TOPICS_PER_REQUEST: Final = 1000
_CONFIGS_PER_REQUEST: Final = 500
"""An answer is 37 settings a topic, each an object until it is converted."""
_PROBE_SECONDS: Final = 2.0
_SHOWS_SECONDS: Final = 30.0
"""Brokers take over one step of the controller's after the other, files included: on a slow disk that takes time."""
_TOPIC_CONFIG: Final[object] = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
"""Set on the topic itself; the client's entries hold the number, whatever their type says."""

Denied = dict[str, BackendError]
"""Why topics could not be described, by name: one that may not be looked at does not take the others along."""
TopicSettings = tuple[dict[str, str], frozenset[str]]
"""Effective settings, and the keys of those set on the topic itself."""


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into parts of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def describe_brokers(client: KafkaClient) -> ClusterState:
    """Ask the cluster who it is.

    Raises:
        Unavailable, Rejected: see KafkaClient.ask.
    """
    right = "Describe on the cluster"
    answers = await client.ask(
        "DescribeCluster", right, lambda admin: {"": admin.describe_cluster(request_timeout=_PROBE_SECONDS)}
    )
    answer = answers[""]
    if isinstance(answer, KafkaError):
        raise translate(answer, "the cluster", right)
    return ClusterState(answer.cluster_id or "", len(answer.nodes))


async def describe_topics(client: KafkaClient, names: Sequence[str], denied: Denied) -> dict[str, TopicDescription]:
    """Describe those of the named topics that exist; what stands against describing one is entered in `denied`.

    Raises:
        Unavailable, Rejected: see KafkaClient.ask.
    """
    found: dict[str, TopicDescription] = {}
    for chunk in chunks(names, _TOPICS_PER_REQUEST):
        found |= _existing(await _describe_topics(client, TopicCollection(list(chunk))), "Describe", denied)
    return found


async def _describe_topics(client: KafkaClient, topics: TopicCollection) -> dict[str, TopicDescription | KafkaError]:
    return await client.ask(
        "DescribeTopics",
        "Describe on the topics",
        lambda admin: admin.describe_topics(topics, request_timeout=client.timeout_seconds),
    )


def topic_id(description: TopicDescription) -> str:
    """Return a topic's id as Kafka's tools print it: URL-safe base64, where librdkafka writes the other alphabet."""
    return str(description.topic_id).replace("+", "-").replace("/", "_")


async def describe_settings(client: KafkaClient, names: Sequence[str], denied: Denied) -> dict[str, TopicSettings]:
    """Describe the settings of those of the named topics that exist; see describe_topics.

    Raises:
        Unavailable, Rejected: see KafkaClient.ask.
    """
    found: dict[str, TopicSettings] = {}
    shared: dict[str, str] = {}
    for chunk in chunks(names, _CONFIGS_PER_REQUEST):
        described = _existing(await _describe_settings(client, chunk), "DescribeConfigs", denied)
        found |= {name: _settings(entries.values(), shared) for name, entries in described.items()}
    return found


async def _describe_settings(
    client: KafkaClient, names: Sequence[str]
) -> dict[str, dict[str, ConfigEntry] | KafkaError]:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    answers = await client.ask(
        "DescribeConfigs",
        "DescribeConfigs on the topics",
        lambda admin: admin.describe_configs(resources, request_timeout=client.timeout_seconds),
    )
    return {resource.name: answer for resource, answer in answers.items()}


def _existing(answers: Mapping[str, R | KafkaError], right: str, denied: Denied) -> dict[str, R]:
    found: dict[str, R] = {}
    for name, answer in answers.items():
        if not isinstance(answer, KafkaError):
            found[name] = answer
        elif not is_absent(answer):
            denied[name] = translate(answer, f"topic {name}", f"{right} on topic {name}")
    return found


def _settings(entries: Iterable[ConfigEntry], shared: dict[str, str]) -> TopicSettings:
    config: dict[str, str] = {}
    overrides: list[str] = []
    for entry in entries:
        if entry.value is None:
            continue
        # thousands of topics have the same few settings and values
        key = shared.setdefault(entry.name, entry.name)
        config[key] = shared.setdefault(entry.value, entry.value)
        if entry.source == _TOPIC_CONFIG:
            overrides.append(key)
    return config, frozenset(overrides)


async def wait_until(
    look: Callable[[], Awaitable[R]], shows: Callable[[R], bool], *, what: str, seconds: float = _SHOWS_SECONDS
) -> R:
    """Look again and again, at growing intervals, until the brokers show what the controller has done.

    Raises:
        Unavailable: it does not show in time; the message is `what`.
    """
    deadline, pause = time.monotonic() + seconds, 0.005
    while not shows(seen := await look()):
        if time.monotonic() > deadline:
            raise Unavailable(what)
        await asyncio.sleep(pause)
        pause = min(pause * 1.6, 0.1)
    return seen
