"""What a bare script takes for the work of a consumer: reading; reading and writing, also in transactions; posting.

Run as a process. Reads its work as JSON from standard input, writes what it measured as JSON. No envelope, no filter,
no order, and nothing is known about what is finished: without transactions, records are committed once, at the end.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
from confluent_kafka import Consumer, Message, Producer

from bench.runtime_work import FloorWork
from eventplane.transports.kafka_settings import consumer_settings, producer_settings, transactional_settings

_BATCH = 1000
_TRANSACTION = 5000


def batches(work: FloorWork) -> Iterator[list[Message]]:
    """Read all records of the topic."""
    consumer = Consumer({**consumer_settings(work.client, work.group, "floor", None), "enable.auto.offset.store": True})
    consumer.subscribe([work.topic])
    left = work.count
    while left:
        batch = consumer.consume(min(_BATCH, left), 0.5)
        if batch:
            left -= len(batch)
            yield batch
    consumer.commit(asynchronous=False)
    consumer.close()


def read(work: FloorWork) -> float:
    """Read, look at each value; return the seconds from the first batch on."""
    began, size = 0.0, 0
    for batch in batches(work):
        began = began or time.perf_counter()
        for message in batch:
            size += len(message.value() or b"")
    return time.perf_counter() - began


def write(producer: Producer, topic: str, message: Message) -> None:
    """Write a record as it is."""
    while True:
        try:
            producer.produce(topic, value=message.value(), key=message.key(), headers=message.headers() or [])
        except BufferError:
            producer.poll(0.01)
        else:
            return


def read_and_write(work: FloorWork) -> float:
    """Write each record as it is to another topic."""
    producer = Producer(producer_settings(work.client, "floor"))
    began = 0.0
    for batch in batches(work):
        began = began or time.perf_counter()
        for message in batch:
            write(producer, work.out, message)
        producer.poll(0)
    producer.flush(60)
    return time.perf_counter() - began


def read_and_write_in_transactions(work: FloorWork) -> float:
    """Write each record as it is to another topic, so many at a time in a transaction, with their offsets."""
    producer = Producer(transactional_settings(work.client, "floor", f"{work.out}."))
    producer.init_transactions()
    consumer = Consumer(consumer_settings(work.client, work.group, "floor", None))
    consumer.subscribe([work.topic])
    began, left = 0.0, work.count
    while left:
        batch: list[Message] = []
        while len(batch) < min(_TRANSACTION, left):
            batch += consumer.consume(min(_BATCH, left - len(batch)), 0.5)
            began = began or (time.perf_counter() if batch else 0.0)
        producer.begin_transaction()
        for message in batch:
            write(producer, work.out, message)
        positions = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
        producer.commit_transaction()
        left -= len(batch)
    consumer.close()
    return time.perf_counter() - began


async def post(work: FloorWork) -> float:
    """Post as many events, so many at a time."""
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "order.created"}
    headers["content-type"] = "application/json"
    body = json.dumps({"number": 1, "amount": 2, "note": "x" * 100}).encode()
    numbers = iter(range(work.count))

    async def posting(session: aiohttp.ClientSession) -> None:
        for _ in numbers:
            async with session.post(work.url, data=body, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=work.concurrency)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(posting(session) for _ in range(work.concurrency)))
        return time.perf_counter() - began


def main() -> None:
    """Do the work."""
    told: dict[str, Any] = json.loads(sys.stdin.read())
    work = FloorWork(**told)
    match work.case:
        case "filter":
            seconds = read(work)
        case "topic":
            seconds = read_and_write(work)
        case "exactly_once":
            seconds = read_and_write_in_transactions(work)
        case _:
            seconds = asyncio.run(post(work))
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "rss_mib": rss_mib}))


if __name__ == "__main__":
    main()
