"""Two resources that want one topic, and who may use a bus: refused at admission, and without the webhook in status."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest

from e2e.cluster.commands import CommandError
from e2e.conftest import SETTINGS
from e2e.servers.polling import poll
from e2e.workspace import is_ready, ready, scram_bus, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.conftest import Namespaces
    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.servers import Kafka
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def closed_bus(namespaces: Namespaces, home: Workspace, kafka: Kafka) -> Resource:
    """The busRef of a bus that lets in nobody but its own namespace."""
    del home  # the operator works
    place = namespaces.make()
    place.allow_secrets()
    place.apply(*scram_bus("closed", kafka))
    place.until_ready("closed", kind="EventBus")
    return {"name": "closed", "namespace": place.namespace}


@pytest.fixture(scope="module")
def without_webhook(operator: Installation, home: Workspace) -> Iterator[None]:
    """The operator without its webhook."""
    del home  # installed before this changes how
    operator.install({**SETTINGS, "webhook.enabled": "false"})
    operator.wait_for_leader()
    yield
    operator.install(SETTINGS)
    operator.wait_for_leader()


@pytest.fixture
def name() -> str:
    """A topic's name in Kafka that no other test uses."""
    return f"e2e-{uuid.uuid4().hex[:8]}"


def test_a_name_that_is_taken_is_refused_at_admission(
    place: Workspace, namespaces: Namespaces, main_bus: Resource, name: str
) -> None:
    place.apply(topic("first", main_bus, topicName=name))
    place.until_ready("first")
    other = namespaces.make()
    with pytest.raises(CommandError, match=f"OwnedByAnother.*EventTopic {place.namespace}/first"):
        other.apply(topic("second", main_bus, topicName=name))
    assert other.get("EventTopic", "second") is None


def test_a_namespace_that_is_not_let_in_is_refused_at_admission(place: Workspace, closed_bus: Resource) -> None:
    assert poll(lambda: _refuses(place, closed_bus), 10, every=0.5)
    assert place.get("EventTopic", "t") is None


def _refuses(place: Workspace, closed_bus: Resource) -> bool:
    """Tell whether the topic is refused; a namespace so new that no replica has seen its labels is let through."""
    try:
        place.apply(topic("t", closed_bus))
    except CommandError as refusal:
        return "NamespaceNotAllowed" in str(refusal)
    place.remove("t")
    place.until_gone("t")
    return False


@pytest.mark.usefixtures("without_webhook")
def test_without_the_webhook_the_status_refuses_a_namespace(place: Workspace, closed_bus: Resource) -> None:
    place.apply(topic("t", closed_bus))
    refused = place.until_reason("t", "NamespaceNotAllowed")
    assert f"{closed_bus['namespace']}/closed" in ready(refused)["message"]


@pytest.mark.usefixtures("without_webhook")
def test_the_elder_of_two_wins_the_other_names_it_and_takes_over_when_it_goes(
    place: Workspace, namespaces: Namespaces, main_bus: Resource, view: KafkaView, name: str
) -> None:
    other = namespaces.make()
    place.apply(topic("elder", main_bus, topicName=name, config={"retention.ms": "1000000"}))
    place.until_ready("elder")
    other.apply(topic("younger", main_bus, topicName=name, config={"retention.ms": "2000000"}))
    refused = other.until_reason("younger", "OwnedByAnother")
    assert f"belongs to EventTopic {place.namespace}/elder" in ready(refused)["message"]
    assert view.settings(name) == {"retention.ms": "1000000"}
    assert is_ready(place.get("EventTopic", "elder") or {})
    place.remove("elder")
    other.until_ready("younger")
    assert view.settings(name) == {"retention.ms": "2000000"}


@pytest.mark.usefixtures("without_webhook")
def test_the_elder_wins_though_the_bus_comes_later(
    place: Workspace, namespaces: Namespaces, home: Workspace, kafka: Kafka, name: str
) -> None:
    late = f"late-{uuid.uuid4().hex[:6]}"
    reference = {"name": late, "namespace": home.namespace}
    other = namespaces.make()
    other.apply(topic("elder", reference, topicName=name))
    time.sleep(1.1)  # times of creation are whole seconds
    place.apply(topic("younger", reference, topicName=name))
    place.until_reason("younger", "BusNotFound")
    home.apply(*scram_bus(late, kafka, allowedNamespaces={"from": "All"}))
    other.until_ready("elder")
    place.until_reason("younger", "OwnedByAnother")
