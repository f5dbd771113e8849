"""Transactions on a real broker when something goes wrong: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not exported
from contract.exchange_arenas import Copyist, KafkaExchanges
from contract.transport_arenas import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from e2e.servers.kafka import Kafka
    from eventplane.events.record import Record
    from eventplane.transports.seams import Made

pytestmark = pytest.mark.kafka

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT, "a timeout that a test wants"))  # noqa: SLF001 - librdkafka's name


@pytest.fixture
def exchanges(kafka: Kafka) -> KafkaExchanges:
    return KafkaExchanges(kafka)


class Makers:
    """Makes producers, and counts them; the first call of one kind goes wrong in the first two that come so far."""

    def __init__(self, call: str, before: Callable[[], None] | None, after: Callable[[], None] | None) -> None:
        self.made = 0
        self.faults = 2
        self._call = call
        self._steps = (before, after)

    def __call__(self, settings: dict[str, Any]) -> Any:
        self.made += 1
        original = getattr(Producer, self._call)

        def call(producer: Any, *arguments: Any) -> None:
            before, after = self._steps if self.faults and not producer.is_spent else (None, None)
            producer.is_spent = True
            self.faults -= 1 if before or after else 0
            if before is not None:
                before()
            original(producer, *arguments)
            if after is not None:
                after()

        return type("Faulty", (Producer,), {self._call: call, "is_spent": False})(settings)


def time_out() -> None:
    raise TIMED_OUT


def hang() -> None:
    threading.Event().wait(4)


@pytest.mark.parametrize(
    ("call", "before", "after"),
    [
        pytest.param("commit_transaction", time_out, None, id="a commit that never left"),
        pytest.param("commit_transaction", None, time_out, id="a commit whose answer was lost"),
        pytest.param("send_offsets_to_transaction", None, time_out, id="offsets whose answer was lost"),
        pytest.param("commit_transaction", hang, None, id="a commit that hangs for longer than it may"),
    ],
)
async def test_after_a_timeout_there_is_a_new_producer_and_each_record_once(
    exchanges: KafkaExchanges,
    topic: str,
    call: str,
    before: Callable[[], None] | None,
    after: Callable[[], None] | None,
) -> None:
    out = f"{topic}.out"
    exchanges.create(topic, 2)
    exchanges.create(out)
    exchanges.append_all(topic, range(30))
    makers = Makers(call, before, after)
    copyist = Copyist(out)
    exchange = exchanges.exchange_of(f"id-{topic}", f"g-{topic}", topic, make=makers, patience_seconds=2.0)
    exchange.start(copyist)
    await until(lambda: makers.faults < 2 or copyist.is_over)
    exchanges.append_all(topic, range(30, 60))
    await until(lambda: makers.faults == 0 or copyist.is_over)
    exchanges.append_all(topic, range(60, 90))
    await until(lambda: len(exchanges.values(out)) >= 90)
    await exchange.stop()
    assert copyist.problem is None
    assert makers.made >= 3, "one for each failure, and the first"
    assert sorted(exchanges.values(out), key=lambda value: int(value or b"")) == [b"%d" % each for each in range(90)]


async def test_who_has_the_id_of_another_fences_it(exchanges: KafkaExchanges, topic: str) -> None:
    """The broker, not the process, decides who may still commit."""
    out = f"{topic}.out"
    exchanges.create(topic)
    exchanges.create(out)
    one, other = Copyist(out), Copyist(out)
    first = exchanges.exchange_of(f"id-{topic}", f"g-{topic}", topic)
    second = exchanges.exchange_of(f"id-{topic}", f"g-{topic}", topic)
    first.start(one)
    exchanges.append(topic, b"k", b"0")
    await until(lambda: one.certain == 1)
    second.start(other)
    await until(lambda: other.assignments > 0)
    sent = 1
    while not one.is_over:
        assert sent < 200
        exchanges.append(topic, b"k", b"%d" % sent)
        sent += 1
        await asyncio.sleep(0.01)
    assert "no use any more" in (one.problem or "")
    await until(lambda: len(exchanges.values(out)) >= sent)
    await first.stop()
    await second.stop()
    assert exchanges.values(out) == [b"%d" % number for number in range(sent)]


class Sleeper(Copyist):
    """Falls asleep over some records."""

    asleep_seconds = 0.0

    def work(self, records: Sequence[Record]) -> Made:
        made = super().work(records)
        seconds, self.asleep_seconds = self.asleep_seconds, 0.0
        time.sleep(seconds)
        return made


async def test_who_was_taken_for_dead_commits_nothing(exchanges: KafkaExchanges, topic: str) -> None:
    """Its partitions are another's when it wakes up: the group's metadata in its transaction tell the broker so."""
    out = f"{topic}.out"
    exchanges.create(topic)
    exchanges.create(out)
    exchanges.append(topic, b"k", b"0")
    impatient: dict[str, Any] = {"session.timeout.ms": 6000, "max.poll.interval.ms": 6000}
    sleeper, other = Sleeper(out), Copyist(out)
    sleeper.asleep_seconds = 9.0
    first = exchanges.exchange_of(f"a-{topic}", f"g-{topic}", topic, patience_seconds=10.0, **impatient)
    second = exchanges.exchange_of(f"b-{topic}", f"g-{topic}", topic)
    first.start(sleeper)
    await until(lambda: sleeper.asleep_seconds == 0.0)
    second.start(other)
    await until(lambda: other.certain == 1)
    exchanges.append(topic, b"k", b"1")
    await until(lambda: sleeper.undone_times > 0)
    await until(lambda: sleeper.certain + other.certain == 2)
    await second.stop()
    await first.stop()
    assert exchanges.values(out) == [b"0", b"1"]


async def test_the_broker_refuses_a_whole_batch_and_one_record_is_to_blame(
    exchanges: KafkaExchanges, kafka: Kafka, topic: str
) -> None:
    out = f"{topic}.out"
    exchanges.create(topic)
    admin = AdminClient(kafka.client_config("PLAINTEXT") | {"log_level": 0})
    admin.create_topics([NewTopic(out, 1, config={"max.message.bytes": "2000"})])[out].result(SECONDS)
    chance = random.Random(1)  # noqa: S311 - no secret, but nothing that could be compressed
    sizes = [300] * 5 + [5_000] + [300] * 5
    values = [b"%d" % number + chance.randbytes(size) for number, size in enumerate(sizes)]
    for value in values:
        exchanges.append(topic, b"k", value)
    copyist = Copyist(out)
    exchange = exchanges.exchange_of(f"id-{topic}", f"g-{topic}", topic)
    exchange.start(copyist)
    await until(lambda: copyist.certain == 11)
    await exchange.stop()
    assert [(write.offset, failure.reason) for write, failure in copyist.refusals] == [(5, "Rejected")]
    assert exchanges.values(out) == values[:5] + values[6:]
