"""Every refusal there is, in one place: its reason is of the closed set, and its message tells what to do."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from builders import (
    CLUSTER,
    KAFKA,
    access_case,
    application_case,
    avro,
    case,
    claim,
    consumer,
    event_bus,
    event_topic,
    existing,
    live,
    mapped_access,
    observed,
    observed_subject,
    owner,
    publication,
    registered,
    schema,
    schema_case,
    settled,
    subscription,
    usage,
    wanted_access,
    wanted_objects,
)

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBusStatus
from eventplane.api.metadata import BusRef
from eventplane.api.schema import Schema
from eventplane.planning.access import decide_access
from eventplane.planning.access_desired import desire_access
from eventplane.planning.access_state import Grant, ObservedAccess, ObservedPrincipal, ObservedSecret
from eventplane.planning.applications import decide_application
from eventplane.planning.bus_decisions import verify_cluster
from eventplane.planning.buses import BusDirectory
from eventplane.planning.connection import AccessConnection, connect, no_login_for_applications, no_registry
from eventplane.planning.dead_letters import desire_dead_letters
from eventplane.planning.delivery import refuse_delivery
from eventplane.planning.desired import desire_topic
from eventplane.planning.mapped_principals import mark_of
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_decisions import decide_schema
from eventplane.planning.schema_desired import definition_of, resolve_references
from eventplane.planning.schema_state import ObservedSubject
from eventplane.planning.topic_decisions import TopicCase, decide
from eventplane.planning.topic_uses import with_lookup_topics

LOGIN = {"type": "PLAIN", "secret_ref": {"name": "login"}}
BUS_WITH_LOGIN = event_bus(kafka={"bootstrap_servers": ["kafka:9092"], "authentication": LOGIN})
SEEN = observed(existing(), claim())


def first(of: TopicCase) -> Refusal | None:
    return next(iter(decide(of).refusals), None)


def first_of(of: Schema, seen: ObservedSubject | None = None) -> Refusal | None:
    return next(iter(decide_schema(schema_case(of, seen)).refusals), None)


def mapped(granted: set[Grant]) -> Refusal | None:
    """Ask for access of a principal that may do something already."""
    web = publication("web")
    desired = mapped_access(web)
    seen = ObservedAccess(principal=ObservedPrincipal(desired.user or "", grants=frozenset(granted)))
    return next(iter(decide_access(access_case(web, seen, desired=desired)).refusals), None)


def evolving(*steps: object) -> Schema:
    evolution = {"on_incompatible": "NewMajor", "migrations": steps}
    return schema(definition=avro("id", "more"), compatibility="BACKWARD", evolution=evolution)


WRONG = {"from_": 1, "to": 2, "up": "event.data", "down": "event.data", "samples": [{"data": {"id": "1"}}]}
BREAKS = observed_subject(registered(), level="BACKWARD", verdicts={1: False})
ITSELF = schema(references=[{"name": "a", "schema_ref": {"name": "orders"}}])

LOOKING_UP: Final[dict[str, Any]] = {
    "sink": {"http": {"url": "http://billing"}},
    "lookups": [{"name": "customer", "key": "event.key", "topic_ref": {"name": "customers"}}],
}
TAKEN = live(wanted_objects(consumer()).manifests[0])
TAKEN["metadata"]["ownerReferences"] = []

REFUSALS: Final[Mapping[Reason, object]] = {
    Reason.BUS_NOT_FOUND: BusDirectory([], {}).resolve("shop", None),
    Reason.BUS_AMBIGUOUS: BusDirectory([event_bus("a"), event_bus("b")], {}).resolve("shop", None),
    Reason.NAMESPACE_NOT_ALLOWED: BusDirectory([event_bus()], {}).resolve(
        "other", BusRef(name="main", namespace="shop")
    ),
    Reason.INVALID_SPEC: desire_topic(
        event_topic(replication_factor=1, config={"min.insync.replicas": "2"}), event_bus()
    ),
    Reason.INVALID_NAME: desire_topic(event_topic(), event_bus(naming={"topic": "{{ name"})),
    Reason.INTERNAL_TOPIC: first(case(event_topic(), observed(existing(internal=True)))),
    Reason.LIMIT_EXCEEDED: first(case(event_topic(), bus=event_bus(limits={"topics_per_namespace": 0}))),
    Reason.SECRET_INVALID: connect(BUS_WITH_LOGIN, {"login": {}}),
    Reason.OWNED_BY_ANOTHER: first(case(event_topic(), observed(claim=claim(owner("x"))))),
    Reason.TOPIC_EXISTS: first(case(event_topic(adoption="Never"), observed(existing()))),
    Reason.TOPIC_REPLACED: first(case(event_topic(adoption="Never"), observed(existing(), claim(topic_id="id-0")))),
    Reason.CONFIG_NOT_DECLARED: first(case(event_topic(), observed(existing(overrides={"retention.ms": "1"})))),
    Reason.PARTITIONS_NOT_SHRINKABLE: first(case(event_topic(partitions=1), SEEN)),
    Reason.PARTITION_GROWTH_REFUSED: first(case(event_topic(partitions=9, partition_growth="Never"), SEEN)),
    Reason.REPLICATION_FACTOR_NOT_CHANGEABLE: first(case(event_topic(replication_factor=2), SEEN)),
    Reason.NOT_EMPTY: first(
        case(
            settled(event_topic(deleting=True, deletion_policy="DeleteIfEmpty")),
            observed(existing(usage=usage(records=True)), claim()),
        )
    ),
    Reason.IN_USE: first(
        case(
            settled(event_topic(deleting=True, deletion_policy="DeleteIfIdle")),
            observed(existing(usage=usage(groups=("g",))), claim()),
        )
    ),
    Reason.TOPIC_NOT_COMPACTED: with_lookup_topics(
        wanted_access(subscription()),
        subscription(**LOOKING_UP),
        {"customers": settled(event_topic("customers"))},
        event_bus(),
    ).missing[0],
    Reason.TOPIC_NOT_FOUND: wanted_access(publication(), topics={"orders": None}).missing[0],
    Reason.POLICY_NOT_FOUND: desire_dead_letters(
        subscription(dead_letter_policy_ref={"name": "careful"}), None, event_bus(), {}, ()
    ).missing[0],
    Reason.IDENTITY_NOT_SUPPORTED: desire_access(
        publication(), event_bus(), AccessConnection(replace(KAFKA, mechanism="PLAIN")), {}, CLUSTER
    ),
    Reason.EXPRESSION_INVALID: refuse_delivery(subscription(filter="event.typo").spec),
    Reason.PRINCIPAL_OWNED_BY_ANOTHER: mapped({mark_of("eventplane.elsewher.shop.web.publication")}),
    Reason.PRINCIPAL_HAS_ACCESS: mapped({Grant("TOPIC", "payroll", "READ")}),
    Reason.SECRET_OWNED_BY_ANOTHER: next(
        iter(decide_access(access_case(publication(), ObservedAccess(ObservedSecret({})))).refusals), None
    ),
    Reason.OBJECT_OWNED_BY_ANOTHER: next(iter(decide_application(application_case(objects=[TAKEN])).refusals), None),
    Reason.POLICY_NOT_FOUND: desire_dead_letters(
        subscription(dead_letter_policy_ref={"name": "careful"}), None, event_bus(), {}, ()
    ).missing[0],
    Reason.REGISTRY_NOT_CONFIGURED: no_registry(event_bus()),
    Reason.REGISTRY_LOGIN_MISSING: no_login_for_applications(
        event_bus(schema_registry={"url": "http://registry", "authentication": {"secret_ref": {"name": "login"}}})
    ),
    Reason.DEFINITION_NOT_FOUND: definition_of(
        schema(definition_from={"config_map_key_ref": {"name": "avro", "key": "order"}}), {}
    ),
    Reason.DEFINITION_INVALID: first_of(schema(definition="{}")),
    Reason.REFERENCE_CYCLE: resolve_references(ITSELF, {ITSELF.metadata.key: ITSELF}, "shop/main"),
    Reason.SUBJECT_EXISTS: first_of(schema(adoption="Never"), observed_subject(registered())),
    Reason.INCOMPATIBLE: first_of(schema(definition=avro("id", "more")), BREAKS),
    Reason.MIGRATION_MISSING: first_of(evolving(), BREAKS),
    Reason.MIGRATION_FAILED: first_of(evolving(WRONG), BREAKS),
    Reason.CLUSTER_CHANGED: verify_cluster(event_bus(status=EventBusStatus(cluster_id="one")), "two"),
}
SAID_BY_OTHERS: Final = {
    # conditions that are no refusals
    Reason.READY, Reason.RECONCILING, Reason.AWAITING_APPROVAL, Reason.PAUSED, Reason.OUT_OF_SYNC, Reason.DRIFTED,
    Reason.DELETING, Reason.ABOVE_THRESHOLD, Reason.BELOW_THRESHOLD, Reason.NOT_MEASURED,
    # by backends and controllers
    Reason.SECRET_NOT_FOUND, Reason.SECRET_NOT_READABLE, Reason.REJECTED, Reason.AUTHORIZATION_FAILED,
    Reason.AUTHENTICATION_FAILED, Reason.BUS_UNAVAILABLE, Reason.REGISTRY_UNAVAILABLE, Reason.NOT_COMPARABLE,
    Reason.INTERNAL_ERROR,
    # about what runs, and what dead letters there are
    Reason.WORKLOAD_PROGRESSING, Reason.WORKLOAD_UNAVAILABLE, Reason.PODS_NOT_STARTING, Reason.NOT_PERMITTED,
    Reason.AUTOSCALER_NOT_INSTALLED, Reason.AUTOSCALER_FAILING, Reason.ABOVE_THRESHOLD, Reason.BELOW_THRESHOLD,
    Reason.NOT_MEASURED,
    # about whom a gateway lets in
    Reason.GATEWAY_NOT_CONFIGURED, Reason.ISSUER_NOT_FOUND,
    # while others are waited for
    Reason.SCHEMA_NOT_FOUND, Reason.SCHEMA_NOT_READY, Reason.REFERENCE_NOT_READY, Reason.TOPIC_NOT_READY,
}  # fmt: skip
INSTRUCTION: Final = re.compile(
    r"(: |; |\. |, or |^)"
    r"(create|correct|set|annotate|delete|add|lower|stop|take|Give|Name|its owner can (admit|name))\b"
)


def test_every_reason_is_said_by_somebody() -> None:
    assert set(Reason) == REFUSALS.keys() | SAID_BY_OTHERS


@pytest.mark.parametrize(("reason", "said"), REFUSALS.items())
def test_refusal_tells_what_to_do(reason: Reason, said: object) -> None:
    assert isinstance(said, Refusal)
    assert said.reason is reason
    assert INSTRUCTION.search(said.message), said.message
    assert not said.message.endswith("."), "it may be joined with others"
    assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d|0x[0-9a-f]+", said.message), "the same each time"
    assert "choose another topicName" not in said.message, "topicName is immutable"


def test_instructions_are_recognized() -> None:
    assert INSTRUCTION.search("it is so: set it")
    assert not INSTRUCTION.search("it is so and settled")
