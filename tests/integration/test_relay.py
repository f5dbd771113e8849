"""Relays as processes, killed and stopped at random: every event once and in order, for who reads what is committed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not exported
from contract.store_arenas import event
from integration.service_process import ServiceProcess, wait_until
from integration.subjects import create_topic

from e2e.servers import ports
from eventplane.eventstore import EventStore, restore
from eventplane.eventstore.configuration import backend_of
from eventplane.eventstore.relay.positions import UnknownPositionError
from eventplane.eventstore.relay.relay import RefusedError, Relay, RelaySettings
from eventplane.eventstore.relay.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.servers import Kafka
    from e2e.servers.postgres import Postgres

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

Seen = tuple[str, int, str]
"""Aggregate, version, id."""


@dataclass
class Site:
    """A store, topics, and the processes that relay between them."""

    kafka: Kafka
    url: str
    name: str
    folder: Path

    def __post_init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.struck: set[int] = set()
        self.positions = f"{self.name}-positions"
        create_topic(self.kafka, self.name, 3)
        admin = AdminClient(self.client)
        admin.create_topics([NewTopic(self.positions, 1, config={"cleanup.policy": "compact"})])[self.positions].result(
            10
        )
        for binding, file, text in (
            ("kafka", "librdkafka.json", json.dumps(self.client)),
            ("kafka", "topics", self.name),
            ("eventstore", "uri", self.url),
        ):
            (self.folder / binding).mkdir(exist_ok=True)
            (self.folder / binding / file).write_text(text)

    @property
    def client(self) -> dict[str, Any]:
        return self.kafka.client_config("PLAINTEXT") | {"log_level": 0}

    def settings(self, **others: Any) -> RelaySettings:
        return RelaySettings(self.name, self.client, Routes.parse(self.name), self.positions, **others)

    @property
    def told(self) -> dict[str, str]:
        return {
            "SERVICE_BINDING_ROOT": str(self.folder),
            "EVENTPLANE_RELAY_NAME": self.name,
            "EVENTPLANE_RELAY_POSITIONS": self.positions,
            "EVENTPLANE_RELAY_IDLE_SECONDS": "2",
            "EVENTPLANE_PROBE_PORT": "0",
        }

    def start(self) -> subprocess.Popen[bytes]:
        with self._log(len(self.processes)).open("ab") as log:
            command = [sys.executable, "-m", "eventplane.eventstore.relay"]
            process = subprocess.Popen(command, env={**os.environ, **self.told}, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def _log(self, number: int) -> Path:
        return self.folder / f"relay-{number}.log"

    async def at_work(self) -> subprocess.Popen[bytes]:
        """Wait for a running process that says that it is relaying."""
        async with asyncio.timeout(60):
            while True:
                for number, process in enumerate(self.processes):
                    if number not in self.struck and b'"relaying"' in self._log(number).read_bytes():
                        self.struck.add(number)
                        return process
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)

    def seen(self, until_count: int = 0, seconds: float = 60) -> list[Seen]:
        """Read all that is committed, or wait for so many."""
        consumer = Consumer(
            self.client
            | {"group.id": "looking", "enable.auto.commit": False, "enable.partition.eof": True}
            | {"isolation.level": "read_committed"}
        )
        consumer.assign([TopicPartition(self.name, partition, 0) for partition in range(3)])
        found: list[Seen] = []
        ended: set[int | None] = set()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (len(ended) == 3 and len(found) >= until_count):
            for message in consumer.consume(500, 0.1):
                error = message.error()
                if error is None:
                    ended.discard(message.partition())
                    told: list[tuple[str, bytes]] = message.headers() or []  # type: ignore[assignment]  # as written
                    headers = {name: value.decode() for name, value in told}
                    aggregate = (message.key() or b"").decode()
                    assert headers["ce_aggregateid"] == aggregate
                    found.append((aggregate, int(headers["ce_aggregateversion"]), headers["ce_id"]))
                else:
                    assert error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's name
                    ended.add(message.partition())
        consumer.close()
        return found


def complete(seen: list[Seen], stored: list[Seen]) -> None:
    """Every event once, and those of an aggregate in the order of their versions."""
    assert len(seen) == len(set(seen)), "doubled"
    assert set(seen) == set(stored)
    for aggregate in {each[0] for each in seen}:
        versions = [version for name, version, _ in seen if name == aggregate]
        assert versions == list(range(1, len(versions) + 1))


async def stored(url: str) -> list[Seen]:
    async with EventStore(url) as store:
        return [(each.aggregate_id, each.version, each.event.event_id) async for each in store.stream_all()]


async def write(url: str, writer: int, over: asyncio.Event) -> None:
    async with EventStore(url) as store:
        chance = random.Random(writer)  # noqa: S311 - a test that can be repeated
        while not over.is_set():
            await store.append_events(f"a-{chance.randrange(12)}", [event(by=writer), event()])
            await asyncio.sleep(0.01)


@pytest.fixture(params=["postgres", "sqlite"])
def site(
    request: pytest.FixtureRequest, event_kafka: Kafka, event_postgres: Postgres, tmp_path: Path
) -> Iterator[Site]:
    name = f"relay-{tmp_path.name.replace('_', '-')}"[:60]
    in_file = f"sqlite:///{tmp_path / 'events.db'}"
    url = in_file if request.param == "sqlite" else event_postgres.create_database(name)
    made = Site(event_kafka, url, name, tmp_path)
    yield made
    made.stop()


async def test_killed_at_random(site: Site) -> None:
    """Three run at a time; whoever is at work is killed, or stopped so that it comes back after somebody took over."""
    kills = int(os.environ.get("EVENTPLANE_RELAY_KILLS", "8"))
    over = asyncio.Event()
    writing = [asyncio.create_task(write(site.url, writer, over)) for writer in range(3)]
    chance = random.Random(7)  # noqa: S311 - as above
    await stored(site.url)
    for _ in range(3):
        site.start()
    for number in range(kills):
        victim = await site.at_work()
        await asyncio.sleep(chance.uniform(0, 0.4))
        if number % 4 == 3 and site.url.startswith("postgres"):  # on one machine, who is stopped keeps its turn
            victim.send_signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(4, victim.send_signal, signal.SIGCONT)
            asyncio.get_running_loop().call_later(6, victim.kill)  # or it would take its turn again, unnoticed here
        else:
            victim.kill()
        site.start()
    over.set()
    await asyncio.gather(*writing)
    wanted = await stored(site.url)
    assert len(wanted) > 500
    seen = await asyncio.to_thread(site.seen, len(wanted), 90)
    complete(seen, wanted)
    await asyncio.sleep(1)
    assert len(await asyncio.to_thread(site.seen)) == len(wanted), "nothing comes later"
    anew = f"sqlite:///{site.folder / 'anew.db'}"
    restored = await restore(anew, {"kafka_servers": site.kafka.bootstrap("PLAINTEXT")}, [site.name])
    assert (restored.events, restored.passed_over) == (len(wanted), 0)
    assert sorted(await stored(anew)) == sorted(wanted), "a store made of the topic is the same"
    for number in site.struck:  # those that were stopped are killed, too, some seconds later
        assert await asyncio.to_thread(site.processes[number].wait, 10) == -signal.SIGKILL
    left = [each for number, each in enumerate(site.processes) if number not in site.struck]
    for process in left:
        process.terminate()
    ended = {await asyncio.to_thread(process.wait, 30) for process in left}
    assert ended <= {0, -signal.SIGTERM}, "in order, or before it had begun"


async def relayed(site: Site, settings: RelaySettings, count: int) -> list[Seen]:
    """Run a relay here until so many events are there."""
    over = asyncio.Event()
    backend = backend_of(site.url)
    running = asyncio.create_task(Relay(backend, settings).run(over))
    looking = asyncio.create_task(asyncio.to_thread(site.seen, count, 20))
    await asyncio.wait([running, looking], return_when=asyncio.FIRST_COMPLETED)
    over.set()
    try:
        await running
    finally:
        await backend.close()
        found = await looking
    return found


async def run_until_it_fails(site: Site, settings: RelaySettings) -> None:
    backend = backend_of(site.url)
    try:
        await asyncio.wait_for(Relay(backend, settings).run(asyncio.Event()), 60)
    finally:
        await backend.close()


async def test_a_lost_position_is_no_reason_to_relay_all_again(site: Site) -> None:
    async with EventStore(site.url) as store:
        await store.append_events("o-1", [event(), event()])
        wanted = await stored(site.url)
        complete(await relayed(site, site.settings(), 2), wanted)
        complete(await relayed(site, site.settings(batch=1), 2), wanted)
        other = f"{site.positions}-new"
        create_topic(site.kafka, other)
        lost = RelaySettings(site.name, site.client, Routes.parse(site.name), other)
        with pytest.raises(UnknownPositionError, match="does not tell how far"):
            await run_until_it_fails(site, lost)
        told = RelaySettings(site.name, site.client, Routes.parse(site.name), other, may_begin_anew=True)
        assert len(await relayed(site, told, 4)) == 4, "everything again, as was asked for"


async def test_an_event_that_is_refused_stops_the_relay_and_is_not_skipped(site: Site) -> None:
    async with EventStore(site.url) as store:
        await store.append_event("o-1", event())
        await store.append_event("o-1", event(large="x" * 1_500_000))
        await store.append_event("o-1", event())
        with pytest.raises(RefusedError, match=site.name):
            await run_until_it_fails(site, site.settings(batch=1))
    assert [version for _, version, _ in site.seen()] == [1]


@pytest.fixture
def replicas(site: Site) -> Iterator[list[ServiceProcess]]:
    """Two relays as their pods run them."""
    module = "eventplane.eventstore.relay"
    made = [ServiceProcess(module, site.folder, ports.reserve("127.0.0.1"), site.told) for _ in range(2)]
    yield made
    for process in made:
        process.kill()


async def test_the_probes_tell_who_relays_and_what_waits(site: Site, replicas: list[ServiceProcess]) -> None:
    """Both are ready: a standby that is not would hold up a rollout for ever."""
    async with EventStore(site.url) as store:
        await store.append_events("o-1", [event(), event()])
    for process in replicas:
        await asyncio.to_thread(process.wait_ready)
    states = [process.probe("/readyz") for process in replicas]
    assert sorted(states) == [(200, "relaying\n"), (200, "standing by\n")]
    active, standby = sorted(replicas, key=lambda process: process.probe("/readyz"))
    relayed = f'eventplane_relay_relayed_total{{topic="{site.name}"}} 2.0\n'
    await asyncio.to_thread(wait_until, lambda: relayed in active.probe("/metrics")[1], "two events relayed")
    shown = active.probe("/metrics")[1]
    assert "eventplane_relay_active 1.0\n" in shown
    assert "eventplane_relay_behind_events 0.0\n" in shown
    assert "eventplane_relay_active 0.0\n" in standby.probe("/metrics")[1]
    assert "behind" not in standby.probe("/metrics")[1]
    assert standby.probe("/healthz") == (200, "ok\n")
    active.kill()
    await asyncio.to_thread(wait_until, lambda: standby.probe("/readyz") == (200, "relaying\n"), "the other relays")
