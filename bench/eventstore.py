"""How fast the event store appends and relays, beside bare clients doing the same in the same run and process.

`python -m bench.eventstore --n 2000`. `ratio` is floor / store: 1.0 is as fast as the floor. Exits with 1 if events are
missing, never for slowness. Turns of both alternate, so that what else the machine does befalls both.
"""

import argparse
import asyncio
import sqlite3
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
from confluent_kafka import Producer

from bench.failure import BenchError
from bench.one_broker import Turn, run_with_a_broker, take_turns
from bench.runtime import Place
from e2e.servers import Kafka
from e2e.servers.postgres import Postgres
from eventplane.client import Event
from eventplane.eventstore import BEGINNING, EventStore
from eventplane.eventstore.configuration import backend_of
from eventplane.eventstore.documents import new_row
from eventplane.eventstore.postgres import APPEND
from eventplane.eventstore.relay.relay import Relay, RelaySettings
from eventplane.eventstore.relay.routes import Routes
from eventplane.transports.kafka_settings import transactional_settings

_SECONDS: Final = 300
_STREAMS: Final = 100
_BATCH: Final = 500
_NOTE: Final = "x" * 100
_NUMBERS: Final = count(1)


class Databases:
    """A real PostgreSQL that waits for its disk, and files."""

    def __init__(self, server: Postgres, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def new(self, kind: str) -> str:
        """Return the address of an empty database."""
        name = f"bench{next(_NUMBERS)}"
        return self._server.create_database(name) if kind == "postgres" else f"sqlite:///{self._folder / name}.db"


async def append(url: str, n: int, writers: int) -> float:
    """Append one event at a time, each on the version that it follows."""
    async with EventStore(url) as store:
        await store.get_version("made")

        async def write(writer: int) -> None:
            for number in range(n // writers):
                await store.append_event(_stream(writer, number), _event(number), number // _STREAMS)

        began = time.perf_counter()
        await asyncio.gather(*(write(writer) for writer in range(writers)))
        seconds = time.perf_counter() - began
        _complete(sum([1 async for _ in store.stream_all()]), n // writers * writers)
        return seconds


async def append_bare(url: str, n: int, writers: int) -> float:
    """Execute the same statement on a connection of each writer, with documents that were written before."""
    async with EventStore(url) as store:
        await store.get_version("made")
    row = new_row(_event(0))

    async def write(connection: psycopg.AsyncConnection[Any], writer: int) -> None:
        for number in range(n // writers):
            values = {"tenant": "", "stream": _stream(writer, number), "expected": number // _STREAMS}
            values |= {"ids": [str(number)], "types": [row.event_type], "documents": [row.document]}
            await (await connection.execute(APPEND, values)).fetchall()

    connect = psycopg.AsyncConnection.connect
    connections = [await connect(url, autocommit=True, prepare_threshold=1) for _ in range(writers)]
    began = time.perf_counter()
    await asyncio.gather(*(write(each, writer) for writer, each in enumerate(connections)))
    seconds = time.perf_counter() - began
    for each in connections:
        await each.close()
    return seconds


def append_bare_sqlite(url: str, n: int) -> float:
    """Execute the same statements by sqlite3, on this thread."""

    async def prepare() -> None:
        async with EventStore(url) as store:
            await store.get_version("made")

    asyncio.run(prepare())
    row = new_row(_event(0))
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    began = time.perf_counter()
    for number in range(n):
        stream = _stream(0, number)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT max(version) FROM events WHERE tenant = '' AND stream = ?", (stream,)).fetchone()
        connection.execute(
            "INSERT INTO events (tenant, stream, version, event_id, event_type, document) VALUES (?, ?, ?, ?, ?, ?)",
            ("", stream, number // _STREAMS + 1, str(number), row.event_type, row.document),
        )
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


async def fill(url: str, n: int) -> None:
    """Fill a store with events to relay."""
    async with EventStore(url) as store:
        for first in range(0, n, _BATCH):
            events = [_event(number) for number in range(first, min(n, first + _BATCH))]
            await store.append_events(_stream(0, first), events)


async def relay(place: Place, url: str, n: int) -> float:
    """Relay all there is by a relay that has just started."""
    name = place.new_name("relay")
    for topic in (name, f"{name}-positions"):
        place.create(topic)
    backend, over = backend_of(url), asyncio.Event()
    await backend.open()
    last = (await backend.read_all(BEGINNING, n))[-1].position
    relaying = Relay(backend, RelaySettings(name, place.client, Routes.parse(name), f"{name}-positions"))
    running = asyncio.create_task(relaying.run(over))
    while relaying.progress.position is None and not running.done():  # noqa: ASYNC110 - its start is not measured
        await asyncio.sleep(0.001)
    began = time.perf_counter()
    async with asyncio.timeout(_SECONDS):
        while relaying.progress.position != last:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
    seconds = time.perf_counter() - began
    over.set()
    await running
    await backend.close()
    return seconds


def copy_bare(place: Place, url: str, n: int) -> float:
    """Read in batches and produce what is stored, a transaction for each batch."""
    topic = place.new_name("copy")
    place.create(topic)
    producer = Producer(transactional_settings(place.client, topic, ""))
    producer.init_transactions(_SECONDS)
    statement = (
        "SELECT stream, document, transaction_id::text, position FROM eventplane.events"
        " WHERE (transaction_id, position) > (%s::xid8, %s) ORDER BY events.transaction_id, position LIMIT %s"
    )
    last, copied = ("0", 0), 0
    with psycopg.connect(url, autocommit=True, prepare_threshold=1) as connection:
        began = time.perf_counter()
        while copied < n:
            rows = connection.execute(statement, (*last, _BATCH)).fetchall()
            producer.begin_transaction()
            for stream, document, _, _ in rows:
                producer.produce(topic, document.encode(), stream.encode())
            producer.commit_transaction(_SECONDS)
            copied += len(rows)
            last = rows[-1][2:]
        return time.perf_counter() - began


def _stream(writer: int, number: int) -> str:
    return f"order-{writer}-{number % _STREAMS}"


def _event(number: int) -> Event:
    data = {"number": number, "amount": number % 500, "note": _NOTE}
    return Event("order.created", "1.0", "/shop", data, event_id=str(number))


def _complete(found: int, n: int) -> None:
    if found != n:
        raise BenchError(f"{n - found} events are missing")


def measure(place: Place, databases: Databases, n: int, rounds: int, measured: dict[str, Any]) -> None:
    """Measure all cases; of several rounds the one with the median ratio stands."""
    run = asyncio.run
    filled = databases.new("postgres")
    run(fill(filled, 5 * n))
    new = databases.new
    turns = {
        "append_postgres_1_writer": Turn(
            n,
            lambda: run(append_bare(new("postgres"), n, 1)),
            lambda: run(append(new("postgres"), n, 1)),
        ),
        "append_postgres_8_writers": Turn(
            n,
            lambda: run(append_bare(new("postgres"), n, 8)),
            lambda: run(append(new("postgres"), n, 8)),
        ),
        "append_sqlite": Turn(
            n, lambda: append_bare_sqlite(new("sqlite"), n), lambda: run(append(new("sqlite"), n, 1))
        ),
        "relay_postgres": Turn(
            5 * n, lambda: copy_bare(place, filled, 5 * n), lambda: run(relay(place, filled, 5 * n))
        ),
    }
    take_turns(turns, rounds, measured)


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench.eventstore", description=__doc__)
    parser.add_argument("--n", type=int, default=2_000, help="appends of each case; five times as many are relayed")
    parser.add_argument("--rounds", type=int, default=3, help="turns of floor and store (default: 3)")
    arguments = parser.parse_args()
    measured: dict[str, Any] = {"case": "eventstore", "n": arguments.n}

    def work(kafka: Kafka, folder: Path) -> None:
        with Postgres(durable=True) as postgres:
            measure(Place(kafka, folder), Databases(postgres, folder), arguments.n, arguments.rounds, measured)

    return run_with_a_broker(measured, work)


if __name__ == "__main__":
    sys.exit(main())
