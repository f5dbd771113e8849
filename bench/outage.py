"""Kafka killed with topics pending, and back: how long until the operator has caught up."""

import asyncio
import time

from bench.creation import limit_seconds
from bench.manifests import names
from bench.phases import phase, say
from bench.site import Site, brokers_for
from bench.watch import TopicWatch, not_ready
from e2e.servers import ServerError
from eventplane.backends.kafka.ledger_topic import LEDGER_TOPIC

_DOWN_SECONDS = 10.0
"""The breaker's patience has then grown to its longest."""


async def outage(place: Site, pending: int, topics: int) -> dict[str, float]:
    """Measure from Kafka's first answer to all pending topics Ready, and to one that the bench creates itself.

    Args:
        place: with an operator at work.
        pending: how many topics are created while Kafka is down.
        topics: how many there are altogether; their number of brokers is killed.
    """
    resources = names("pending-", pending)
    for number in range(1, brokers_for(topics) + 1):
        place.kafka.kill(number)
    async with TopicWatch.open(place.api, place.namespace) as watch:
        waiting = watch.expect(resources, not_ready)
        async with phase("outage: until the bus and the pending topics say so", 120, waiting.progress):
            await place.create(resources)
            await place.bus_ready("False")
            await watch.until(waiting)
        await asyncio.sleep(_DOWN_SECONDS)
        expected = watch.expect(resources)
        begun = time.perf_counter()
        async with phase("outage: Kafka back, until all Ready", limit_seconds(topics), expected.progress):
            _, (answered, raw, served) = await asyncio.gather(_start_brokers(place, topics), _look_for_kafka(place))
            ready = await watch.until(expected)
            await place.bus_ready()
    say(f"outage: Kafka answered after {answered - begun:.2f} s, all Ready {ready - answered:.2f} s later")
    return {
        "pending": pending,
        "kafka_start_seconds": answered - begun,
        "raw_creation_after_answer_seconds": raw - answered,
        "ledger_served_after_answer_seconds": served - answered,
        "ready_after_answer_seconds": ready - answered,
    }


async def _look_for_kafka(place: Site) -> tuple[float, float, float]:
    """Return when Kafka answers, has created a topic for us, and serves the ledger: no topic is claimed before that."""
    answered = await place.view.first_answer()
    raw, served = await asyncio.gather(
        place.view.first_creation(f"{place.namespace}.raw"), place.view.first_end(LEDGER_TOPIC)
    )
    return answered, raw, served


async def _start_brokers(place: Site, topics: int) -> None:
    """Start the killed brokers side by side: none of three answers before another does.

    The harness waits a minute for each; one that recovers the logs of thousands of partitions may take longer, and
    the phase around it sets the limit.
    """
    numbers = range(1, brokers_for(topics) + 1)
    starts = (asyncio.to_thread(place.kafka.start_broker, number) for number in numbers)
    for number, failure in zip(numbers, await asyncio.gather(*starts, return_exceptions=True), strict=True):
        if isinstance(failure, ServerError):
            place.kafka.process(number)  # fails if it died; else it only takes longer
        elif failure is not None:
            raise failure
