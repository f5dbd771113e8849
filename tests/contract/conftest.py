"""Real servers for the contract suites; a test fails, never skips, where one cannot start."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from contract.arenas import Arena, KafkaArena, MemoryArena
from contract.gauge_arenas import GaugeArena, KafkaGaugeArena, MemoryGaugeArena
from contract.principal_arenas import KafkaPrincipalArena, MemoryPrincipalArena, PrincipalArena
from contract.registry_arenas import MemoryRegistryArena, RealRegistryArena, RegistryArena
from contract.store_arenas import PostgresArena, SqliteArena, StoreArena

from e2e.servers.kafka import Kafka
from e2e.servers.postgres import Postgres
from e2e.servers.registry import private_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from e2e.servers.registry import Registry

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One broker, started for the first test that asks."""
    with Kafka(brokers=1) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka3() -> Iterator[Kafka]:
    """Three brokers, started for the first test that asks; a test that stops one starts it again."""
    with Kafka(brokers=3) as cluster:
        yield cluster


@pytest.fixture(
    params=[
        "memory",
        pytest.param("kafka", marks=pytest.mark.kafka),
        pytest.param("kafka3", marks=pytest.mark.kafka3),
    ],
    scope="session",
)
def cluster(request: pytest.FixtureRequest) -> Kafka | None:
    """Every kind of cluster that the contract is tried on; None is the one in memory."""
    return None if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture
async def arena(cluster: Kafka | None) -> AsyncIterator[Arena]:
    """A cluster with a foreigner on it, on which backends can be opened."""
    if cluster is None:
        yield MemoryArena()
        return
    arena = KafkaArena(cluster)
    yield arena
    await arena.close()


@pytest.fixture
async def kafka_arena(kafka: Kafka) -> AsyncIterator[KafkaArena]:
    """One real broker."""
    arena = KafkaArena(kafka)
    yield arena
    await arena.close()


@pytest.fixture
async def kafka3_arena(kafka3: Kafka) -> AsyncIterator[KafkaArena]:
    """Three real brokers."""
    arena = KafkaArena(kafka3)
    yield arena
    await arena.close()


@pytest.fixture
def topic() -> str:
    """A topic's name that no other test uses."""
    return f"orders-{next(_NUMBERS)}"


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def principal_arena(request: pytest.FixtureRequest) -> AsyncIterator[PrincipalArena]:
    """A cluster of every kind with a foreigner among its users, on which backends can be opened."""
    if request.param == "memory":
        yield MemoryPrincipalArena()
        return
    arena = KafkaPrincipalArena(request.getfixturevalue("kafka"))
    yield arena
    await arena.close()


@pytest.fixture
async def kafka_principals(kafka: Kafka) -> AsyncIterator[KafkaPrincipalArena]:
    """The users of one real broker."""
    arena = KafkaPrincipalArena(kafka)
    yield arena
    await arena.close()


@pytest.fixture
async def mortal_principals() -> AsyncIterator[KafkaPrincipalArena]:
    """The users of a broker that may be killed.

    Not one that others use: Kafka 4.4.0 may forget every user when it starts again after one was removed (ADR 16).
    """
    with Kafka(brokers=1) as cluster:
        arena = KafkaPrincipalArena(cluster)
        yield arena
        await arena.close()


@pytest.fixture
async def kafka3_principals(kafka3: Kafka) -> AsyncIterator[KafkaPrincipalArena]:
    """The users of three real brokers."""
    arena = KafkaPrincipalArena(kafka3)
    yield arena
    await arena.close()


@pytest.fixture
async def gauge_arena(cluster: Kafka | None) -> AsyncIterator[GaugeArena]:
    """A cluster of every kind with a foreigner who writes and commits, on which backends can be opened."""
    if cluster is None:
        yield MemoryGaugeArena()
        return
    arena = KafkaGaugeArena(cluster)
    yield arena
    await arena.close()


@pytest.fixture
async def kafka_gauges(kafka: Kafka) -> AsyncIterator[KafkaGaugeArena]:
    """The offsets of one real broker."""
    arena = KafkaGaugeArena(kafka)
    yield arena
    await arena.close()


@pytest.fixture
async def kafka3_gauges(kafka3: Kafka) -> AsyncIterator[KafkaGaugeArena]:
    """The offsets of three real brokers."""
    arena = KafkaGaugeArena(kafka3)
    yield arena
    await arena.close()


@pytest.fixture
def user() -> str:
    """A user's name that no other test uses, and that no other one's begins with."""
    return f"user-{next(_NUMBERS)}-app"


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A registry, started for the first test that asks; a test that stops it starts it again."""
    with private_registry() as started:
        yield started


@pytest.fixture(params=["memory", pytest.param("registry", marks=pytest.mark.registry)])
async def registry_arena(request: pytest.FixtureRequest) -> AsyncIterator[RegistryArena]:
    """A registry of every kind, with a foreigner on it, on which backends can be opened."""
    if request.param == "memory":
        yield MemoryRegistryArena()
        return
    arena = RealRegistryArena(request.getfixturevalue("registry").url)
    yield arena
    await arena.close()


@pytest.fixture
async def real_registry(registry: Registry) -> AsyncIterator[RealRegistryArena]:
    """The real registry."""
    arena = RealRegistryArena(registry.url)
    yield arena
    await arena.close()


@pytest.fixture
def subject() -> str:
    """A subject's name that no other test uses."""
    return f"orders-{next(_NUMBERS)}-value"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL, started for the first test that asks; a test that kills it starts it again."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_arena(request: pytest.FixtureRequest, tmp_path: Path) -> StoreArena:
    """An empty database of every kind."""
    if request.param == "sqlite":
        return SqliteArena(tmp_path / "events.db")
    return PostgresArena(request.getfixturevalue("postgres"), f"events{next(_NUMBERS)}")


@pytest.fixture
def postgres_arena(postgres: Postgres) -> PostgresArena:
    """An empty database of a real PostgreSQL."""
    return PostgresArena(postgres, f"events{next(_NUMBERS)}")
