"""Credentials rotate through the chart while real clients write and read without a pause, and none of them fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from e2e.applications import Application, application_of, until_refused
from e2e.endless_clients import EndlessConsumer, EndlessProducer
from e2e.workspace import application, topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

GRACE_SECONDS = 5
WRITER, READER = ("Publication", "web"), ("Subscription", "billing")


@pytest.fixture
def shop(place: Workspace, main_bus: Resource) -> Workspace:
    """A namespace with an application that writes and one that reads, whose old credentials hold for a short while."""
    place.allow_applications()
    place.apply(topic("orders", main_bus, partitions=1))
    place.until_ready("orders")
    for kind, name in (WRITER, READER):
        credentials = {"grace": f"{GRACE_SECONDS}s"}
        place.apply(application(kind, name, "orders", bus=main_bus, credentials=credentials))
        place.until_ready(name, kind)
    return place


def until(holds: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something is the case."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never was"
        time.sleep(0.1)


def rotate(shop: Workspace, text: str) -> tuple[list[Application], float]:
    """Let both rotate; return the clients that know the credentials of before, and when it was asked for."""
    before = [application_of(shop, "web-publication"), application_of(shop, "billing-subscription")]
    asked = time.monotonic()
    for kind, name in (WRITER, READER):
        shop.annotate(name, kind, rotate=text)
    for kind, name in (WRITER, READER):
        shop.until(kind, name, lambda found: found["status"]["credentials"].get("retiring"))
    return before, asked


def rotate_under(shop: Workspace, text: str, clients: tuple[EndlessProducer, EndlessConsumer], turn: int) -> None:
    """Let both rotate while their clients go on, until those of before are turned away."""
    producer, consumer = clients
    old, asked = rotate(shop, text)
    assert all(f"{shop.namespace}.orders" in each.topics() for each in old), "they may still be used"
    until(lambda: len(producer.users) == len(consumer.users) == turn)
    for kind, name in (WRITER, READER):
        shop.until(kind, name, lambda found: "retiring" not in found["status"]["credentials"])
    assert time.monotonic() - asked >= GRACE_SECONDS - 1, "a record keeps whole seconds"
    for each in old:
        until_refused(each)
    written = len(producer.written)
    until(lambda: len(producer.written) > written + 50)


def test_no_produce_and_no_fetch_fails_while_credentials_rotate(shop: Workspace) -> None:
    orders = f"{shop.namespace}.orders"
    producer = EndlessProducer(shop, "web-publication", orders)
    consumer = EndlessConsumer(shop, "billing-subscription", orders)
    with consumer, producer:
        until(lambda: len(consumer.read) > 50)
        rotate_under(shop, "first", (producer, consumer), 2)
        rotate_under(shop, "second", (producer, consumer), 3)
    with EndlessConsumer(shop, "billing-subscription", orders) as rest:
        until(lambda: consumer.read | rest.read >= producer.written)

    assert producer.failures + consumer.failures + rest.failures == []
    assert producer.written == set(range(producer.attempts)), "every number was acknowledged, and read"
    for client, (kind, name) in ((producer, WRITER), (consumer, READER)):
        assert client.users[0] == client.users[2] == client.users[1].removesuffix("_2")
        assert (shop.get(kind, name) or {})["status"]["principal"] == client.users[2]
        events = [why for why, _ in shop.events(name)]
        assert (events.count("CredentialsRotated"), events.count("UserRetired")) == (2, 2)


def test_a_grace_ends_also_where_no_client_takes_the_new_credentials(shop: Workspace) -> None:
    old, asked = rotate(shop, "now")
    until(lambda: "retiring" not in (shop.get(*WRITER) or {})["status"]["credentials"])
    assert time.monotonic() - asked >= GRACE_SECONDS - 1
    until_refused(old[0])
    assert application_of(shop, "web-publication").publish(f"{shop.namespace}.orders") is None
