"""The broker in memory as an application's own tests use it, and the plugin that brings it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from eventplane.client import Event, EventPublisher, EventSubscriber, PublishUnavailableError

if TYPE_CHECKING:
    from eventplane.testing import MemoryBroker


async def test_an_applications_own_test(event_broker: MemoryBroker) -> None:
    """What an application does with an event, without a server."""
    for topic in ("user-events", "emails", "mailer.dlq"):
        event_broker.create_topic(topic)
    publisher, reader = EventPublisher(event_broker), EventSubscriber(event_broker, "mailer", retry={"attempts": 1})
    reader.subscribe(["user-events"])

    async def welcome(event: Event) -> None:
        await publisher.publish_event("emails", Event("email.sent", "1.0", "mailer", {"to": event.data["email"]}))

    reader.register_handler("user.registered", welcome)
    async with reader:
        await publisher.publish_event("user-events", Event("user.registered", "1.0", "web", {"email": "a@b.c"}))
        await publisher.publish_event("user-events", Event("user.registered", "1.0", "web", {}))
        await event_broker.settled("mailer", "user-events")
    assert [event.data for event in event_broker.published("emails")] == [{"to": "a@b.c"}]
    (letter,) = event_broker.dead_letters("mailer.dlq")
    assert "KeyError" in letter["error_reason"]


async def test_what_is_down_and_what_is_not_settled(event_broker: MemoryBroker) -> None:
    event_broker.create_topic("orders")
    publisher = EventPublisher(event_broker)
    event_broker.refuse("orders")
    with pytest.raises(PublishUnavailableError, match="it is down"):
        await publisher.publish_event("orders", Event("order.created", "1.0", "shop", {}))
    event_broker.accept("orders")
    await publisher.publish_event("orders", Event("order.created", "1.0", "shop", {}))
    with pytest.raises(TimeoutError, match="nobody has 1 events left"):
        await event_broker.settled("nobody", "orders", seconds=0.01)
    event_broker.log.append("orders", None, b"\xff")
    with pytest.raises(ValueError, match="neither a CloudEvent nor JSON"):
        event_broker.published("orders")


def test_pytest_finds_the_plugin_by_itself_and_it_costs_nothing() -> None:
    """That it brings `event_broker` is seen above: nobody else here does."""
    assert "eventplane" in entry_points(group="pytest11").names
    program = "import sys, eventplane.pytest_plugin; sys.exit('eventplane.client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


async def test_one_loop_for_each_publisher(event_broker: MemoryBroker) -> None:
    event_broker.create_topic("orders")
    publisher = EventPublisher(event_broker)
    await publisher.publish_event("orders", Event("order.created", "1.0", "shop", {}))

    def elsewhere() -> None:
        asyncio.run(publisher.publish_event("orders", Event("order.created", "1.0", "shop", {})))

    with pytest.raises(ValueError, match="another event loop"):
        await asyncio.to_thread(elsewhere)
