"""The listeners and logins of a bus, from within the operator's pod; and Secrets that change.

PLAINTEXT is tried by the contract tests: the servers bind that listener to the loopback, where no pod is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from e2e.kafka_view import KafkaView
from e2e.workspace import bus, ready, secret, topic

if TYPE_CHECKING:
    from e2e.installation import Installation
    from e2e.servers import Kafka
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

TLS = {"caSecretRef": {"name": "ca"}}


def login(mechanism: str) -> Resource:
    """Return the authentication by the Secret `login`."""
    return {"type": mechanism, "secretRef": {"name": "login"}}


def connect(place: Workspace, kafka: Kafka, listener: Any, connection: Resource) -> None:
    """Make the bus `main` of a namespace, and the Secrets that connections are made of."""
    place.allow_secrets()
    certificate, key = kafka.client_certificate(kafka.admin.username)
    place.apply(
        secret("ca", {"ca.crt": kafka.ca_pem}),
        secret("login", {"username": kafka.admin.username, "password": kafka.admin.password}),
        secret("certificate", {"tls.crt": certificate, "tls.key": key}),
        bus("main", kafka.bootstrap(listener), kafka=connection),
    )


@pytest.mark.parametrize(
    ("listener", "connection"),
    [
        ("SASL_SSL", {"tls": TLS, "authentication": login("SCRAM-SHA-512")}),
        ("SASL_SSL", {"tls": TLS, "authentication": login("PLAIN")}),
        ("SASL_PLAINTEXT", {"authentication": login("SCRAM-SHA-512")}),
        ("SSL", {"tls": {**TLS, "certificateSecretRef": {"name": "certificate"}}, "authentication": {"type": "TLS"}}),
    ],
    ids=["SCRAM over TLS", "PLAIN over TLS", "SCRAM without TLS", "mutual TLS"],
)
def test_a_topic_is_made_over_each_kind_of_connection(
    place: Workspace, kafka: Kafka, view: KafkaView, listener: str, connection: Resource
) -> None:
    connect(place, kafka, listener, connection)
    place.apply(topic("t"))
    name = place.until_ready("t")["status"]["topicName"]
    assert name in view.partitions()


def test_a_bus_without_consent_to_its_secrets_says_how_to_give_it(place: Workspace, kafka: Kafka) -> None:
    place.apply(bus("main", kafka.bootstrap("SASL_SSL"), kafka={"tls": TLS, "authentication": login("PLAIN")}))
    found = place.until_reason("main", "SecretNotReadable", kind="EventBus")
    assert f"-n {place.namespace}" in ready(found)["message"] or place.namespace in ready(found)["message"]


def test_a_password_changed_in_kafka_and_then_in_the_secret_is_picked_up_without_a_restart(
    place: Workspace, own_kafka: Kafka, operator: Installation
) -> None:
    view, processes = KafkaView(own_kafka), operator.containers()
    view.add_administrator(own_kafka.add_user("rotating", "first"))
    connect(place, own_kafka, "SASL_SSL", {"tls": TLS, "authentication": login("SCRAM-SHA-512")})
    place.apply(secret("login", {"username": "rotating", "password": "first"}), topic("before"))
    place.until_ready("before")
    own_kafka.add_user("rotating", "second")
    own_kafka.kill(1)  # connections that are open know nothing of passwords
    own_kafka.start_broker(1)
    refused = place.until("EventBus", "main", lambda found: ready(found).get("status") == "False", 60)
    assert ready(refused)["reason"] in {"AuthenticationFailed", "BusUnavailable"}
    place.apply(secret("login", {"username": "rotating", "password": "second"}), topic("after"))
    place.until_ready("main", kind="EventBus")
    place.until_ready("after")
    assert f"{place.namespace}.after" in view.partitions()
    assert operator.containers() == processes
