"""Which database is meant, positions, and what SQLite does by itself."""

import sqlite3
from pathlib import Path

import pytest
from contract.store_arenas import event

from eventplane.client import BrokerConfig
from eventplane.client.configuration import config_of
from eventplane.eventstore import BEGINNING, ConfigurationError, EventStore, EventStoreError, StoreUnavailableError
from eventplane.eventstore.configuration import backend_of, url_from_environment
from eventplane.eventstore.postgres import PostgresBackend
from eventplane.eventstore.sqlite import SqliteBackend
from eventplane.eventstore.stored import Position


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("sqlite:///events.db", SqliteBackend),
        ({"event_store_url": "sqlite:///:memory:", "kafka_servers": ["k:9092"]}, SqliteBackend),
    ],
)
def test_addresses(given: dict[str, str] | str, kind: type) -> None:
    assert isinstance(backend_of(given), kind)


async def test_an_address_of_postgres() -> None:
    assert isinstance(backend_of("postgresql://app@db/events"), PostgresBackend)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "event_store_url: say where"),
        ({"kafka_servers": "k:9092"}, "event_store_url: say where"),
        ("sqlite:///", "neither"),
        ("mysql://app:secret@db/events", "mysql: is neither"),
    ],
)
def test_what_is_no_address(given: dict[str, str] | str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        EventStore(given)
    assert "secret" not in str(refused.value)


def test_publishers_take_the_same_dict() -> None:
    config = config_of({"kafka_servers": ["k:9092"], "event_store_url": "sqlite:///x.db"})
    assert config == BrokerConfig({"bootstrap.servers": "k:9092"})


def test_bindings(tmp_path: Path) -> None:
    folder = tmp_path / "eventstore"
    folder.mkdir()
    environment = {"SERVICE_BINDING_ROOT": str(tmp_path)}
    with pytest.raises(ConfigurationError, match="neither uri nor host"):
        url_from_environment(environment)
    for name, text in {"host": "db\n", "username": "app", "password": "p@ss/w", "database": "events"}.items():
        (folder / name).write_text(text)
    assert url_from_environment(environment) == "postgresql://app:p%40ss%2Fw@db:5432/events"
    (folder / "uri").write_text("sqlite:///:memory:\n")
    assert url_from_environment(environment) == "sqlite:///:memory:"
    assert isinstance(EventStore.from_environment(environment), EventStore)


def test_positions_are_kept_as_text() -> None:
    assert Position.parse(str(Position(12, 345))) == Position(12, 345)
    assert Position(2, 1) > Position(1, 9) > BEGINNING
    for text in ("", "1", "-", "1-", "a-1", "1--2", "-1-2"):
        with pytest.raises(ValueError, match="no position"):
            Position.parse(text)


async def test_in_memory() -> None:
    async with EventStore("sqlite:///:memory:") as store:
        assert await store.append_event("a-1", event(), 0) == 1
        assert len(await store.get_events("a-1")) == 1
    with pytest.raises(EventStoreError, match="in memory"):
        await SqliteBackend(":memory:").lease("relay", 1)


async def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    async with EventStore(f"sqlite:///{tmp_path}/absent/events.db") as store:
        with pytest.raises(StoreUnavailableError, match="unable to open"):
            await store.append_event("a-1", event(), 0)
    (tmp_path / "text.db").write_text("no database, " * 100)
    async with EventStore(f"sqlite:///{tmp_path}/text.db") as store:
        with pytest.raises(EventStoreError, match="not a database"):
            await store.get_events("a-1")


async def test_what_is_no_event_is_told_by_its_place(tmp_path: Path) -> None:
    async with EventStore(f"sqlite:///{tmp_path / 'events.db'}") as store:
        await store.append_event("a-1", event(), 0)
        connection = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
        connection.execute(
            "INSERT INTO events (tenant, stream, version, event_id, event_type, document)"
            " VALUES ('', 'a-1', 2, '', '', '[]')"
        )
        connection.close()
        with pytest.raises(EventStoreError, match="event 2 of a-1 cannot be read"):
            await store.get_events("a-1")


async def test_it_is_durable_when_it_says_so(tmp_path: Path) -> None:
    backend = SqliteBackend(str(tmp_path / "events.db"))
    await backend.open()
    await backend.open()
    settings = await backend._writer.run(  # noqa: SLF001 - nobody else can see it
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]
    )
    assert settings == ["wal", 2]
    await backend.close()
