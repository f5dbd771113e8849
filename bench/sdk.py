"""How fast the SDK publishes and consumes, beside bare confluent-kafka in the same run and the same process.

`python -m bench.sdk --n 50000`. `ratio` is floor / SDK: 1.0 is as fast as the floor. Exits with 1 if events are
missing, never for slowness. Turns of both alternate, so that what else the machine does befalls both.
"""

import argparse
import asyncio
import sys
import time
from typing import Any, Final

import orjson
from confluent_kafka import KafkaError, Message, Producer

from bench.failure import BenchError
from bench.one_broker import Turn, run_with_a_broker, take_turns
from bench.runtime import Place
from bench.runtime_floor import batches
from bench.runtime_work import FloorWork
from eventplane.client import Event, EventPublisher, EventSubscriber
from eventplane.transports.kafka_settings import producer_settings

_SECONDS: Final = 300
_KEYS: Final = 1000
_BATCH: Final = 10_000
_NOTE: Final = "x" * 100


def publish_bare(place: Place, topic: str, count: int) -> float:
    """Produce CloudEvents and look at each acknowledgement."""
    producer = Producer(producer_settings(place.client, "floor"))
    acknowledged = 0

    def delivered(error: KafkaError | None, _message: Message) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    began = time.perf_counter()
    for number in range(count):
        headers = [("ce_specversion", b"1.0"), ("ce_id", b"%d" % number), ("ce_source", b"/shop")]
        headers += [("ce_type", b"order.created"), ("content-type", b"application/json")]
        value = orjson.dumps({"number": number, "amount": number % 500, "note": _NOTE})
        while True:
            try:
                producer.produce(topic, value, f"key-{number % _KEYS}", on_delivery=delivered, headers=headers)  # type: ignore[arg-type]
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    producer.flush(_SECONDS)
    _complete(acknowledged, count)
    return time.perf_counter() - began


async def publish_batch(place: Place, topic: str, count: int) -> float:
    """Publish in batches, each event with an outcome of its own."""
    async with EventPublisher(place.client) as publisher:
        began, published = time.perf_counter(), 0
        for first in range(0, count, _BATCH):
            events = (_event(number) for number in range(first, min(count, first + _BATCH)))
            report = await publisher.publish_batch(topic, events, _key)
            published += report["success"]
        _complete(published, count)
        return time.perf_counter() - began


async def publish_each(place: Place, topic: str, count: int) -> float:
    """Publish one by one, from many tasks at a time."""
    numbers = iter(range(count))
    async with EventPublisher(place.client) as publisher:

        async def publish() -> None:
            for number in numbers:
                event = _event(number)
                await publisher.publish_event(topic, event, _key(event))

        began = time.perf_counter()
        await asyncio.gather(*(publish() for _ in range(500)))
        return time.perf_counter() - began


def consume_bare(place: Place, topic: str, count: int) -> float:
    """Read in batches and decode; commit once, at the end."""
    began, total = 0.0, 0
    for batch in batches(FloorWork("filter", place.client, topic, "", place.new_name("floor"), count, "", 1)):
        began = began or time.perf_counter()
        for message in batch:
            total += orjson.loads(message.value() or b"{}")["amount"]
    return time.perf_counter() - began


async def consume(place: Place, topic: str, count: int) -> float:
    """Have each event handled by an asynchronous function, in the order of its key."""
    subscriber = EventSubscriber(place.client, place.new_name("sdk"), concurrency=100)
    subscriber.subscribe([topic])
    began, seen, total = 0.0, 0, 0
    over = asyncio.Event()

    async def handle(event: Event) -> None:
        nonlocal began, seen, total
        began = began or time.perf_counter()
        seen += 1
        total += event.data["amount"]
        if seen == count:
            over.set()

    subscriber.register_handler("order.created", handle)
    async with subscriber:
        await asyncio.wait_for(over.wait(), _SECONDS)
        return time.perf_counter() - began


def _event(number: int) -> Event:
    data = {"number": number, "amount": number % 500, "note": _NOTE}
    return Event("order.created", "1.0", "/shop", data, event_id=str(number))


def _key(event: Event[Any]) -> str:
    return f"key-{event.data['number'] % _KEYS}"


def _complete(found: int, count: int) -> None:
    if found != count:
        raise BenchError(f"{count - found} events are missing")


def measure(place: Place, count: int, rounds: int, measured: dict[str, Any]) -> None:
    """Measure all cases; of several rounds the one with the median ratio stands."""
    filled = "sdk-filled"
    place.fill(filled, count)

    def new_topic() -> str:
        topic = place.new_name("sdk-out")
        place.create(topic)
        return topic

    turns = {
        "publish_batch": Turn(
            count,
            lambda: publish_bare(place, new_topic(), count),
            lambda: asyncio.run(publish_batch(place, new_topic(), count)),
        ),
        "publish_event": Turn(
            count,
            lambda: publish_bare(place, new_topic(), count),
            lambda: asyncio.run(publish_each(place, new_topic(), count)),
        ),
        "consume": Turn(
            count,
            lambda: consume_bare(place, filled, count),
            lambda: asyncio.run(consume(place, filled, count)),
        ),
    }
    take_turns(turns, rounds, measured)


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench.sdk", description=__doc__)
    parser.add_argument("--n", type=int, default=50_000, help="events of each case (default: 50,000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of floor and SDK (default: 3)")
    arguments = parser.parse_args()
    measured: dict[str, Any] = {"case": "sdk", "n": arguments.n}
    return run_with_a_broker(
        measured, lambda kafka, folder: measure(Place(kafka, folder), arguments.n, arguments.rounds, measured)
    )


if __name__ == "__main__":
    sys.exit(main())
