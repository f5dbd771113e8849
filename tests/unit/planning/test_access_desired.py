"""What a Publication or Subscription asks for: names, grants, and what its client is told."""

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import (
    ACCESS,
    CLUSTER,
    KAFKA,
    REGISTRY_LOGIN,
    event_bus,
    event_topic,
    publication,
    refusal,
    settled,
    subscription,
    wanted_access,
)

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.event_topic import EventTopic
from eventplane.planning.access_desired import desire_access, iterations_of, user_name
from eventplane.planning.access_state import Grant
from eventplane.planning.access_strays import keeps_user, stray_users
from eventplane.planning.connection import AccessConnection, KafkaConnection, RegistryConnection
from eventplane.planning.plan import Refusal

UUID = "0f1e2d3c-0000-4000-8000-000000000000"
OPEN = KafkaConnection(("kafka:9092",))
MINE: dict[str, Any] = {"secret_name": "mine"}


def made(name: str = "orders", **fields: Any) -> EventTopic:
    return settled(event_topic(name, **fields))


# --- names


def test_users_are_named_after_cluster_namespace_name_and_kind() -> None:
    assert user_name(publication("web"), UUID) == "eventplane.0f1e2d3c.shop.web.publication"
    names = {
        user_name(resource, cluster)
        for resource in (publication("a"), subscription("a"), publication("a", "other"), publication("a.b"))
        for cluster in (UUID, "1" + UUID)
    }
    assert len(names) == 8


def test_a_group_belongs_to_one_subscription() -> None:
    assert wanted_access(subscription("billing")).group == "shop.billing"
    assert wanted_access(publication()).group is None


def test_rounds_of_hashing_are_what_kafka_takes_and_tell_passwords_apart() -> None:
    rounds = [iterations_of(f"password-{number}") for number in range(2000)]
    assert min(rounds) >= 4096
    assert max(rounds) <= 16384
    assert len(set(rounds)) > 1200


def test_the_secret_is_named_after_the_resource_unless_it_says_otherwise() -> None:
    asked = (publication("web"), subscription("web"), subscription("web", **MINE))
    names = [wanted_access(resource).query.secret_name for resource in asked]
    assert names == ["web-publication", "web-subscription", "mine"]


# --- grants


def test_a_publication_may_write_and_nothing_else() -> None:
    desired = wanted_access(publication(topics=[{"name": "orders"}, {"name": "returns"}]))
    assert desired.grants == {Grant("TOPIC", "shop.orders", "WRITE"), Grant("TOPIC", "shop.returns", "WRITE")}
    assert desired.transactional_id_prefix is None


def test_a_transactional_publication_has_its_own_transactional_ids() -> None:
    desired = wanted_access(publication("web", transactional=True))
    assert desired.transactional_id_prefix == "eventplane.cluster-.shop.web.publication."
    own = Grant("TRANSACTIONAL_ID", "eventplane.cluster-.shop.web.publication.", "WRITE", prefixed=True)
    assert desired.grants == {Grant("TOPIC", "shop.orders", "WRITE"), own}


def test_a_subscription_may_read_in_its_own_group_and_nothing_else() -> None:
    desired = wanted_access(subscription("billing"))
    assert desired.grants == {Grant("TOPIC", "shop.orders", "READ"), Grant("GROUP", "shop.billing", "READ")}


def test_a_subscription_that_delivers_exactly_once_has_its_own_transactional_ids() -> None:
    """READ in the group is what offsets in a transaction take beside them."""
    once: dict[str, Any] = {"sink": {"topic_ref": {"name": "returns"}}, "delivery": {"guarantee": "ExactlyOnce"}}
    desired = wanted_access(subscription("billing", **once))
    assert desired.transactional_id_prefix == "eventplane.cluster-.shop.billing.subscription."
    own = Grant("TRANSACTIONAL_ID", "eventplane.cluster-.shop.billing.subscription.", "WRITE", prefixed=True)
    assert desired.grants - wanted_access(subscription("billing")).grants == {own}


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        pytest.param(None, Reason.TOPIC_NOT_FOUND, id="there is none"),
        pytest.param(event_topic(), Reason.TOPIC_NOT_READY, id="nobody has looked at it yet"),
        pytest.param(
            settled(event_topic(), event_bus("second")), Reason.TOPIC_NOT_READY, id="it has been made on another bus"
        ),
        pytest.param(settled(event_topic(), topic_id=None), Reason.TOPIC_NOT_READY, id="its name is another's now"),
        pytest.param(
            made().model_copy(update={"status": made().status.model_copy(update={"applied": None})}),
            Reason.TOPIC_NOT_READY,
            id="it only looks at a topic, or would adopt it",
        ),
    ],
)
def test_a_topic_is_granted_only_by_who_made_it(topic: EventTopic | None, reason: Reason) -> None:
    asked = subscription(topics=[{"name": "orders"}, {"name": "returns"}])
    desired = wanted_access(asked, topics={"orders": topic, "returns": made("returns")})
    assert desired.topics == ("shop.returns",)
    assert Grant("TOPIC", "shop.orders", "READ") not in desired.grants
    assert [each.reason for each in desired.missing] == [reason]
    assert "EventTopic shop/orders " in desired.missing[0].message


def test_a_bus_without_credentials_needs_no_grants() -> None:
    desired = wanted_access(subscription(), connection=OPEN)
    assert (desired.user, desired.grants, desired.query.principal) == (None, frozenset(), None)
    data = desired.secret_data("unused")
    assert data["securityProtocol"] == "PLAINTEXT"
    assert not {"user", "username", "password", "saslMechanism", "ca.crt"} & data.keys()
    assert "unused" not in "".join(data.values())


@pytest.mark.parametrize(
    "connection",
    [
        pytest.param(replace(KAFKA, mechanism="PLAIN"), id="PLAIN"),
        pytest.param(replace(KAFKA, mechanism=None, certificate_pem="CERT", key_pem="KEY"), id="certificates"),
        pytest.param(replace(KAFKA, certificate_pem="CERT", key_pem="KEY"), id="SCRAM and certificates"),
    ],
)
def test_a_bus_that_cannot_be_given_users_is_refused(connection: KafkaConnection) -> None:
    refused = desire_access(publication(), event_bus(), AccessConnection(connection), {"orders": made()}, CLUSTER)
    assert isinstance(refused, Refusal)
    assert refused.reason == Reason.IDENTITY_NOT_SUPPORTED


# --- the Secret


def test_the_secret_holds_what_clients_of_any_language_need() -> None:
    data = wanted_access(subscription("billing"), registry=REGISTRY_LOGIN).secret_data('p"w')
    user = "eventplane.cluster-.shop.billing.subscription"
    assert data["type"] == "kafka"
    assert (data["user"], data["username"], data["password"]) == (user, user, 'p"w')
    assert (data["bootstrapServers"], data["securityProtocol"]) == ("kafka:9092", "SASL_SSL")
    assert (data["saslMechanism"], data["ca.crt"]) == ("SCRAM-SHA-512", KAFKA.ca_pem)
    assert (data["topics"], data["group"]) == ("shop.orders", "shop.billing")
    assert {key: data[key] for key in data if key.startswith("schemaRegistry")} == {
        "schemaRegistryUrl": "http://registry:8081",
        "schemaRegistryUsername": "reader",
        "schemaRegistryPassword": "readers-own",
        "schemaRegistry.ca.crt": "REGISTRY-CA",
        "schemaRegistry.tls.crt": "SHARED-CERT",
        "schemaRegistry.tls.key": "SHARED-KEY",
    }
    assert json.loads(data["librdkafka.json"]) == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": 'p"w',
        "ssl.ca.pem": KAFKA.ca_pem,
        "group.id": "shop.billing",
    }
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    assert data["client.properties"].splitlines() == [
        "basic.auth.credentials.source=USER_INFO",
        "basic.auth.user.info=reader:readers-own",
        "bootstrap.servers=kafka:9092",
        "group.id=shop.billing",
        f'sasl.jaas.config={module} required username="{user}" password="p\\\\"w";',
        "sasl.mechanism=SCRAM-SHA-512",
        "schema.registry.ssl.keystore.certificate.chain=SHARED-CERT",
        "schema.registry.ssl.keystore.key=SHARED-KEY",
        "schema.registry.ssl.keystore.type=PEM",
        "schema.registry.ssl.truststore.certificates=REGISTRY-CA",
        "schema.registry.ssl.truststore.type=PEM",
        "schema.registry.url=http://registry:8081",
        "security.protocol=SASL_SSL",
        "ssl.truststore.certificates=-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----\\n",
        "ssl.truststore.type=PEM",
    ]


def test_a_registry_that_everybody_may_read_has_but_an_address() -> None:
    data = wanted_access(publication(), registry=RegistryConnection("http://registry:8081")).secret_data("p")
    assert {key for key in data if key.startswith("schemaRegistry")} == {"schemaRegistryUrl"}
    told = [line for line in data["client.properties"].splitlines() if "registry" in line or "basic" in line]
    assert told == ["schema.registry.url=http://registry:8081"]


def test_nothing_of_the_operators_own_credentials_is_passed_on() -> None:
    data = wanted_access(publication()).secret_data("p")
    assert "operators-own" not in "".join(data.values())
    assert not any(value == "operator" for value in data.values())


def test_what_others_add_to_a_secret_is_theirs_and_what_they_change_is_not() -> None:
    desired = wanted_access(publication())
    data = desired.secret_data("p")
    assert desired.is_in({**data, "more": "theirs"}, "p")
    assert not desired.is_in({**data, "topics": "mine"}, "p")
    assert not desired.is_in({**data, "group": "there should be none"}, "p")
    assert desired.is_in({**data, "schemaRegistryUsername": "theirs"}, "p"), "nor could it be taken away"


def test_the_fingerprint_tells_what_is_asked_for_and_not_which_password() -> None:
    first = wanted_access(publication())
    assert first.fingerprint() == wanted_access(publication(topics=[{"name": "orders"}])).fingerprint()
    others = (
        wanted_access(publication(transactional=True)),
        wanted_access(publication(**MINE)),
        wanted_access(publication(), topics={"orders": None}),
        wanted_access(publication(), connection=replace(KAFKA, bootstrap_servers=("moved:9092",))),
        wanted_access(publication(), registry=RegistryConnection("http://registry:8081")),
        wanted_access(publication(), registry=REGISTRY_LOGIN),
        wanted_access(publication(), registry=replace(REGISTRY_LOGIN, username="another")),
    )
    assert len({first.fingerprint(), *(each.fingerprint() for each in others)}) == 8


def test_what_is_shown_of_access_holds_no_secret() -> None:
    """It becomes a digest that others may read, and try guesses on."""
    shown = wanted_access(publication(), registry=REGISTRY_LOGIN)
    other = wanted_access(publication(), registry=replace(REGISTRY_LOGIN, password="guess", key_pem="guess"))  # noqa: S106
    assert shown.fingerprint() == other.fingerprint()
    assert not any(secret in repr(shown.public_data()) for secret in ("readers-own", "SHARED-KEY"))
    assert not any(secret in repr(shown) for secret in ("readers-own", "SHARED-KEY"))


# --- users that are left


def test_strays_are_those_of_the_kind_and_cluster_whose_resource_is_gone() -> None:
    alive = [publication("web"), publication("web", "other")]
    gone = "eventplane.cluster-.shop.old.publication"
    users = {
        *(user_name(each, CLUSTER) for each in alive),
        *(f"{user_name(each, CLUSTER)}_2" for each in alive),
        gone,
        f"{gone}_2",
        "eventplane.cluster-.shop.old.subscription",
        "eventplane.cluster-.shop.old.subscription_2",
        "eventplane.elsewher.shop.old.publication",
        "admin",
        "someone.publication",
    }
    assert stray_users(users, alive, "Publication", CLUSTER) == (gone, f"{gone}_2")


def on_cluster(cluster_id: str | None) -> EventBus:
    return event_bus(status=EventBusStatus(cluster_id=cluster_id))


@pytest.mark.parametrize(
    ("home", "kept"),
    [
        pytest.param(on_cluster("one"), True, id="the same Kafka"),
        pytest.param(on_cluster("two"), False, id="another Kafka"),
        pytest.param(on_cluster(None), True, id="it has never answered"),
        pytest.param(refusal(Reason.NAMESPACE_NOT_ALLOWED), False, id="not let in any more"),
        pytest.param(refusal(Reason.BUS_AMBIGUOUS), True, id="a second bus has come"),
        pytest.param(refusal(Reason.INVALID_SPEC), True, id="not understood"),
    ],
)
def test_who_keeps_a_user(home: EventBus | Refusal, *, kept: bool) -> None:
    assert keeps_user(home, on_cluster("one")) is kept
    assert keeps_user(on_cluster("one"), on_cluster(None))


# --- topics by their labels


BY_LABEL: dict[str, Any] = {"topic_selector": {"match_labels": {"team": "billing"}}}


def test_topics_that_were_selected_are_granted_as_those_that_were_named() -> None:
    topics = {"orders": made("orders"), "bills": event_topic("bills")}
    desired = desire_access(subscription(**BY_LABEL), event_bus(), ACCESS, topics, CLUSTER)
    assert not isinstance(desired, Refusal)
    assert desired.topics == ("shop.orders",)
    assert [each.reason for each in desired.missing] == [Reason.TOPIC_NOT_READY]


def test_a_selector_that_selects_nothing_is_told_of() -> None:
    desired = desire_access(subscription(**BY_LABEL), event_bus(), ACCESS, {}, CLUSTER)
    assert not isinstance(desired, Refusal)
    assert [each.reason for each in desired.missing] == [Reason.TOPIC_NOT_FOUND]
    assert "topicSelector" in desired.missing[0].message


def test_a_subscription_with_a_faulty_expression_is_refused() -> None:
    faulty = subscription(filter="event.typo == 'a'", sink={"http": {"url": "http://billing"}})
    verdict = desire_access(faulty, event_bus(), ACCESS, {"orders": made()}, CLUSTER)
    assert isinstance(verdict, Refusal)
    assert verdict.reason == Reason.EXPRESSION_INVALID
