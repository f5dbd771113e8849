"""Transactions whose end nobody told of: what happened is looked up, and said only where it is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from contract.client_arenas import KafkaClients

from eventplane.client.broker import KafkaBroker
from eventplane.transports.kafka_settings import consumer_settings, transactional_settings
from eventplane.transports.kafka_transactor import KafkaTransactor
from eventplane.transports.seams import Consumed, UncommittedError, Write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.servers.kafka import Kafka

pytestmark = pytest.mark.kafka


class Forgetful(Producer):
    """Does not tell how the first transaction ended: it was committed, or was not."""

    commits_first = True
    calls = 0

    def commit_transaction(self, *arguments: Any) -> None:
        type(self).calls += 1
        if self.calls > 1:
            super().commit_transaction(*arguments)
            return
        if self.commits_first:
            super().commit_transaction(*arguments)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's name


def transactor(kafka: Kafka, id_: str, make: Any = Producer) -> KafkaTransactor:
    client: Mapping[str, Any] = kafka.client_config("PLAINTEXT") | {"log_level": 0}
    settings = transactional_settings(client, "contract", "") | {"transactional.id": id_}
    return KafkaTransactor(settings, consumer_settings(client, "", "contract", None), 20.0, make)


def write(topic: str, text: str) -> Write:
    value = b'{"event_id": "%s", "event_type": "t", "data": "%s"}' % (text.encode(), text.encode())
    return Write(topic, b"k", value, (), ("", 0), 0)


def consumed(kafka: Kafka, topic: str) -> Consumed:
    """One record is consumed by a group that nobody has joined, as a tool would."""
    member = Consumer({**kafka.client_config("PLAINTEXT"), "group.id": f"g-{topic}"})
    told = Consumed(f"g-{topic}", member.consumer_group_metadata(), {(topic, 0): 1})
    member.close()
    return told


@pytest.mark.parametrize("commits", [True, False])
async def test_offsets_tell_whether_it_was_committed(kafka: Kafka, topic: str, commits: bool) -> None:  # noqa: FBT001
    clients = KafkaClients(kafka)
    clients.create(topic)
    kind = type("Kind", (Forgetful,), {"commits_first": commits, "calls": 0})
    under_test = transactor(kafka, f"t-{topic}", kind)
    if commits:
        await under_test.commit([write(topic, "1")], consumed(kafka, topic))
    else:
        with pytest.raises(UncommittedError) as caught:
            await under_test.commit([write(topic, "1")], consumed(kafka, topic))
        assert caught.value.is_certain
    assert await clients.committed(f"g-{topic}", topic) == int(commits)
    await under_test.commit([write(topic, "2")], None)
    await under_test.close()
    assert [each.data for each in await clients.published(topic)] == (["1", "2"] if commits else ["2"])


async def test_without_offsets_nobody_can_tell(kafka: Kafka, topic: str) -> None:
    clients = KafkaClients(kafka)
    clients.create(topic)
    under_test = transactor(kafka, f"t-{topic}", type("Kind", (Forgetful,), {"calls": 0}))
    with pytest.raises(UncommittedError) as caught:
        await under_test.commit([write(topic, "1")], None)
    assert not caught.value.is_certain
    await under_test.close()
    assert [each.data for each in await clients.published(topic)] == ["1"]


async def test_who_has_lost_its_id_commits_nothing_and_the_next_try_takes_it_back(kafka: Kafka, topic: str) -> None:
    clients = KafkaClients(kafka)
    clients.create(topic)
    first, second = transactor(kafka, f"t-{topic}"), transactor(kafka, f"t-{topic}")
    await first.commit([write(topic, "1")], None)
    await second.commit([write(topic, "2")], None)
    with pytest.raises(UncommittedError):
        await first.commit([write(topic, "lost")], None)
    await first.commit([write(topic, "3")], None)
    await first.close()
    await second.close()
    assert [each.data for each in await clients.published(topic)] == ["1", "2", "3"]


async def test_a_member_of_which_nothing_is_known_commits_nothing(kafka: Kafka, topic: str) -> None:
    opened = KafkaBroker(KafkaClients(kafka).broker.config).transactor(None, 5.0)
    with pytest.raises(UncommittedError, match="not known yet"):
        await opened.commit([], Consumed("g", None, {(topic, 0): 1}))
    await opened.close()
