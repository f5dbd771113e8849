"""Publications and Subscriptions through the chart: real clients with the credentials of their Secrets."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError

from e2e.applications import application_of, until_refused
from e2e.installation import NAMESPACE
from e2e.workspace import application, condition, is_current, ready, topic

if TYPE_CHECKING:
    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

DENIED = "TOPIC_AUTHORIZATION_FAILED"
GROUP_DENIED = "GROUP_AUTHORIZATION_FAILED"
TRANSACTION_DENIED = "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"


@pytest.fixture
def shop(place: Workspace, main_bus: Resource) -> Workspace:
    """A namespace with the topics orders and payroll, in which applications may have credentials."""
    place.allow_applications()
    place.apply(topic("orders", main_bus, partitions=1), topic("payroll", main_bus, partitions=1))
    place.until_ready("orders")
    place.until_ready("payroll")
    return place


def code(error: object) -> str:
    """Name Kafka's error."""
    assert isinstance(error, KafkaError), error
    return str(error.name())


def test_two_resources_are_all_that_an_application_needs(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(
        application("Publication", "web", "orders", bus=main_bus),
        application("Subscription", "billing", "orders", bus=main_bus),
    )
    written = shop.until_ready("web", "Publication")["status"]
    read = shop.until_ready("billing", "Subscription")["status"]
    assert written["binding"] == {"name": "web-publication"}
    assert read["group"] == f"{shop.namespace}.billing"
    event = uuid.uuid4().bytes
    name = f"{shop.namespace}.orders"
    assert application_of(shop, "web-publication").publish(name, event) is None
    assert application_of(shop, "billing-subscription").receive(name) == event


def test_each_may_do_what_it_asked_for_and_nothing_else(shop: Workspace, main_bus: Resource, view: KafkaView) -> None:
    shop.apply(
        application("Publication", "web", "orders", bus=main_bus, transactional=True),
        application("Subscription", "billing", "orders", bus=main_bus),
    )
    shop.until_ready("web", "Publication")
    shop.until_ready("billing", "Subscription")
    writer, reader = application_of(shop, "web-publication"), application_of(shop, "billing-subscription")
    orders, payroll = f"{shop.namespace}.orders", f"{shop.namespace}.payroll"
    prefix = (shop.secret("web-publication") or {})["transactionalIdPrefix"]
    view.produce(payroll, b"secret")

    assert writer.but(enable_idempotence=True).publish(orders) is None
    assert writer.but(transactional_id=f"{prefix}1").transact(orders) is None
    assert reader.receive(orders) == b"x"

    assert code(writer.publish(payroll)) == DENIED
    assert code(reader.publish(orders)) == DENIED
    assert code(reader.receive(payroll)) == DENIED
    assert code(writer.but(group_id=f"{shop.namespace}.billing").receive(orders)) in {DENIED, GROUP_DENIED}
    assert code(reader.but(group_id="another").receive(orders)) == GROUP_DENIED
    assert code(writer.but(transactional_id="another").transact(orders)) == TRANSACTION_DENIED
    assert code(reader.but(transactional_id=f"{prefix}1").transact(orders)) == TRANSACTION_DENIED
    for each in (writer, reader):
        assert code(each.create_topic(f"{shop.namespace}.new")) == DENIED
        assert payroll not in each.topics()


def test_who_comes_before_its_topic_gets_it_the_moment_it_is_made(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(application("Subscription", "early", "later", bus=main_bus))
    waiting = shop.until_reason("early", "TopicNotFound", "Subscription")
    assert f"EventTopic {shop.namespace}/later does not exist" in ready(waiting)["message"]
    assert condition(waiting, "TopicsReady")["status"] == "False"
    shop.apply(topic("later", main_bus, partitions=1))
    made = shop.until_ready("early", "Subscription", seconds=3)  # and not with the next resync
    assert f"READ topic {shop.namespace}.later" in made["status"]["grants"]


def test_a_resource_that_goes_takes_its_secret_and_its_user_along(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(application("Publication", "web", "orders", bus=main_bus))
    shop.until_ready("web", "Publication")
    web = application_of(shop, "web-publication")
    assert f"{shop.namespace}.orders" in web.topics()
    shop.remove("web", "Publication")
    shop.until_gone("web", "Publication")
    until_refused(web)
    deadline = time.monotonic() + 60  # Kubernetes' garbage collector is in no hurry
    while shop.secret("web-publication") is not None:
        assert time.monotonic() < deadline, "the Secret is still there"
        time.sleep(0.5)


def test_a_password_is_rotated_by_deleting_its_secret(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(application("Publication", "web", "orders", bus=main_bus))
    shop.until_ready("web", "Publication")
    before = application_of(shop, "web-publication")
    shop.kubectl("delete", "secret", "web-publication")
    until_refused(before)
    assert application_of(shop, "web-publication").publish(f"{shop.namespace}.orders") is None


def test_a_secret_of_somebody_else_is_left_alone(shop: Workspace, main_bus: Resource) -> None:
    shop.kubectl("create", "secret", "generic", "mine", "--from-literal=a=b")
    shop.apply(application("Publication", "web", "orders", bus=main_bus, secretName="mine"))
    refused = shop.until_reason("web", "SecretOwnedByAnother", "Publication")
    assert condition(refused, "Stalled")["status"] == "True"
    assert shop.secret("mine") == {"a": "b"}


def test_without_consent_no_secret_is_written_and_the_status_says_how_to_give_it(
    place: Workspace, main_bus: Resource
) -> None:
    place.apply(topic("orders", main_bus), application("Publication", "web", "orders", bus=main_bus))
    refused = place.until_reason("web", "SecretNotReadable", "Publication")
    assert "bind the ClusterRole eventplane-application" in ready(refused)["message"]
    place.allow_applications()
    place.until_ready("web", "Publication")


def test_a_plan_is_shown_and_carried_out_when_it_is_approved(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(application("Subscription", "careful", "orders", bus=main_bus, mode="Plan"))
    shown = shop.until_reason("careful", "AwaitingApproval", "Subscription")["status"]["plan"]
    user = shown["changes"][1].removeprefix("set the password of user ")
    assert shown["changes"] == [
        "write Secret careful-subscription",
        f"set the password of user {user}",
        f"grant user {user} READ group {shop.namespace}.careful, READ topic {shop.namespace}.orders",
    ]
    assert shop.secret("careful-subscription") is None
    shop.annotate("careful", "Subscription", approve=shown["hash"])
    shop.until_ready("careful", "Subscription")


def test_a_topic_that_a_subscription_names_is_not_deleted_if_idle(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(
        topic("watched", main_bus, partitions=1, deletionPolicy="DeleteIfIdle"),
        application("Subscription", "watcher", "watched", bus=main_bus),
    )
    shop.until_ready("watcher", "Subscription")
    shop.remove("watched")
    held = shop.until_reason("watched", "InUse")
    assert f"Subscription {shop.namespace}/watcher" in ready(held)["message"]
    shop.remove("watcher", "Subscription")
    shop.until_gone("watched")


def test_no_password_is_in_a_log_a_status_or_an_event(
    shop: Workspace, main_bus: Resource, operator: Installation
) -> None:
    shop.apply(application("Publication", "web", "orders", bus=main_bus))
    found = shop.until("Publication", "web", lambda found: is_current(found) and ready(found).get("status") == "True")
    password = (shop.secret("web-publication") or {})["password"]
    logs = [operator.cluster.kubectl("logs", pod, "--namespace", NAMESPACE) for pod in operator.pods()]
    assert any("web" in log for log in logs)
    assert password not in "".join(logs) + json.dumps(found) + str(shop.events("web"))
