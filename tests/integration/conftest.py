"""A broker and a registry, started for the first test that asks and stopped with the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from integration.event_topics import Topics
from integration.token_issuers import TokenIssuers

from e2e.servers import Kafka
from e2e.servers.postgres import Postgres
from e2e.servers.registry import private_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.servers.registry import Registry


@pytest.fixture(scope="session")
def event_kafka() -> Iterator[Kafka]:
    """One broker."""
    with Kafka(brokers=1) as cluster:
        yield cluster


@pytest.fixture
def topics(event_kafka: Kafka) -> Topics:
    """What the broker has."""
    return Topics(event_kafka)


@pytest.fixture(scope="session")
def event_registry() -> Iterator[Registry]:
    """One registry."""
    with private_registry() as registry:
        yield registry


@pytest.fixture(scope="session")
def event_postgres() -> Iterator[Postgres]:
    """One PostgreSQL."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenIssuers]:
    """Who gives tokens, and tells whose they are."""
    with TokenIssuers(tmp_path_factory.mktemp("issuers")) as started:
        yield started
