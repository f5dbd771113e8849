"""A relay that the operator runs: what applications append to a real PostgreSQL is in Kafka, once and in order."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from e2e.cluster.commands import CommandError
from e2e.servers.polling import poll
from e2e.servers.postgres import Postgres
from e2e.workspace import application, condition, scram_bus, secret, topic
from eventplane.eventstore import Event, EventStore
from eventplane.eventstore.postgres_tables import prepare_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.conftest import Namespaces
    from e2e.kafka_view import KafkaView
    from e2e.servers import Kafka
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

RELAY = {"storeSecretRef": {"name": "database"}, "positions": {"name": "positions"}}


@dataclass
class Shop:
    """A namespace with an event store whose relay is at work."""

    place: Workspace
    url: str
    """Of the database, as who may append."""
    appended: int = 0
    """So many events were."""

    @property
    def topic(self) -> str:
        """Where events go, its name in Kafka."""
        return f"{self.place.namespace}.orders"

    def append(self, order: str, *types: str) -> None:
        """Append events of these types to an order that may have some."""

        async def append() -> None:
            async with EventStore({"event_store_url": self.url}) as store:
                known = await store.get_events(order)
                events = [Event(each, "1.0", "shop", {"order": order}) for each in types]
                await store.append_events(order, events, expected_version=len(known))

        asyncio.run(append())
        self.appended += len(types)

    def published(self, view: KafkaView) -> list[tuple[str, str, int]]:
        """Read aggregate, type and version of as many events as were appended, in order of each aggregate."""
        found = []
        with contextlib.suppress(TimeoutError):  # new pods have to start first, where the old ones were killed
            view.read(self.topic, self.appended)
        for message in view.read(self.topic, self.appended):
            headers = dict(message.headers() or [])
            order, kind, version = (headers[f"ce_{name}"] for name in ("aggregateid", "type", "aggregateversion"))
            found.append((_text(order), _text(kind), int(version or 0)))
        return sorted(found, key=lambda each: each[0])


def _available(shown: Resource) -> int:
    return int(shown["status"].get("workload", {}).get("available", 0))


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


@pytest.fixture(scope="module")
def shop(namespaces: Namespaces, kafka: Kafka) -> Iterator[Shop]:
    """The relay, with all its pods ready."""
    with Postgres(address=kafka.identity.address) as server:
        writer, reader = server.create_user("shop"), server.create_user("relay")
        asyncio.run(prepare_database(server.url(), writers=["shop"], readers=["relay"]))
        place = namespaces.make({"pod-security.kubernetes.io/enforce": "restricted"})
        place.allow_secrets()
        place.allow_applications()
        place.apply(*scram_bus("main", kafka), secret("database", {"uri": server.url(user=reader)}))
        place.apply(topic("orders", partitions=2), topic("positions", partitions=1, cleanup=["compact"]))
        place.apply(application("Publication", "shop", "orders", transactional=True, relay=RELAY))
        place.until_ready("shop", "Publication", seconds=90)
        yield Shop(place, server.url(user=writer))


def test_what_is_appended_is_published_in_order(shop: Shop, view: KafkaView) -> None:
    shop.append("o-1", "order.created", "order.paid")
    shop.append("o-2", "order.created")
    shop.append("o-1", "order.shipped")
    assert [each for each in shop.published(view) if each[0] in {"o-1", "o-2"}] == [
        ("o-1", "order.created", 1),
        ("o-1", "order.paid", 2),
        ("o-1", "order.shipped", 3),
        ("o-2", "order.created", 1),
    ]


def test_when_its_pods_are_killed_nothing_is_lost_and_nothing_comes_twice(shop: Shop, view: KafkaView) -> None:
    shop.append("o-3", *(f"step.{number}" for number in range(50)))
    shop.place.kubectl("delete", "pod", "--selector=app.kubernetes.io/component=relay", "--force", "--grace-period=0")
    shop.append("o-3", *(f"step.{number}" for number in range(50, 60)))
    found = [each for each in shop.published(view) if each[0] == "o-3"]
    assert found == [("o-3", f"step.{number}", number + 1) for number in range(60)]


def test_it_may_do_what_it_needs_and_its_status_says_so(shop: Shop) -> None:
    found = shop.place.until("Publication", "shop", lambda shown: _available(shown) == 2, seconds=60)
    namespace = shop.place.namespace
    assert {f"WRITE topic {namespace}.orders", f"READ topic {namespace}.positions"} < set(found["status"]["grants"])
    assert condition(found, "WorkloadReady")["status"] == "True"


def test_a_topic_of_positions_that_forgets_is_refused(shop: Shop) -> None:
    relay = {**RELAY, "positions": {"name": "forgetful"}}
    shop.place.apply(topic("forgetful"), application("Publication", "other", "orders", transactional=True, relay=relay))
    refused = shop.place.until_reason("other", "InvalidSpec", "Publication")
    assert "cleanup [compact]" in condition(refused, "Ready")["message"]


def test_who_takes_it_out_has_none(shop: Shop) -> None:
    shop.place.apply(application("Publication", "shop", "orders", transactional=True))
    shop.place.until_ready("shop", "Publication")

    def is_gone() -> bool:
        try:
            shop.place.kubectl("get", "deployment/shop-publication")
        except CommandError:
            return True
        return False

    assert poll(is_gone, 30, every=0.5)
