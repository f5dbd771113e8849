"""The guide to the SDK, executed block by block as it stands there, on real servers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from contract.client_arenas import KafkaClients
from integration.guide_blocks import blocks_of, run
from integration.subjects import topics_of_a_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = pytest.mark.kafka

GUIDE = Path(__file__).parents[2] / "docs/guide/sdk.md"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.05)


@pytest.fixture(autouse=True)
def topics(event_kafka: Kafka) -> Iterator[None]:
    with topics_of_a_page(event_kafka, "user-events", "notification-events", "orders", "settled"):
        yield


async def test_its_blocks_do_what_they_say(
    event_kafka: Kafka, event_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    settled = 0
    sent: list[tuple[str, str]] = []

    async def send_welcome_email(email: str, username: str) -> None:
        sent.append((email, username))
        asyncio.get_running_loop().call_later(
            1, lambda: stops.append(asyncio.ensure_future(names["subscriber"].stop()))
        )

    stops: list[asyncio.Task[None]] = []
    names: dict[str, Any] = {
        "BROKERS": [event_kafka.bootstrap("PLAINTEXT")],
        "REGISTRY": event_registry.url,
        "send_welcome_email": send_welcome_email,
        "until": until,
        "settled": lambda: settled,
    }
    blocks = blocks_of(GUIDE)
    assert len(blocks) == 9
    clients = KafkaClients(event_kafka)

    async def look() -> None:
        nonlocal settled
        while True:
            settled = len(await clients.published("settled"))
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    for block in blocks:
        await asyncio.wait_for(run(block, GUIDE, names), 90)
    looking.cancel()
    await asyncio.gather(*stops)
    await names["publisher"].close()
    assert sent == [("john@example.com", "john_doe")]
    assert "Sending welcome email to john@example.com" in capsys.readouterr().out
    (told,) = await clients.published("notification-events")
    assert (told.event_type, told.correlation_id) == ("email.sent", "req-abc-123")
    assert told.data == {"user_id": "12345", "email_type": "welcome", "recipient": "john@example.com"}
    assert [each.data for each in await clients.published("settled")] == [{"settled": True}]
    assert await clients.committed("notification-service-group", "user-events") == 1
