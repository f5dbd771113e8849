"""All that a Subscription asks for, put together."""

import json
import re
from typing import Any

import pytest
from builders import CLUSTER, KAFKA, RUNTIME_IMAGE, dead_letter_policy, event_bus, event_topic, settled, subscription

from eventplane.api import API_VERSION
from eventplane.api.conditions import Reason
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.runtime_config import lookup_credential_folder
from eventplane.api.subscription import Subscription, SubscriptionStatus
from eventplane.planning.access_state import Grant
from eventplane.planning.connection import AccessConnection, KafkaConnection
from eventplane.planning.objects import Manifest, ObjectKey
from eventplane.planning.plan import Refusal
from eventplane.planning.subscription_desired import Circumstances, desire_subscription
from eventplane.planning.workload_desired import DesiredApplication

HTTP: dict[str, Any] = {"sink": {"http": {"url": "http://billing"}}}
CAREFUL: dict[str, Any] = {"dead_letter_policy_ref": {"name": "careful"}}
ORDERS = settled(event_topic("orders", partitions=3))
RETRYING = dead_letter_policy(retry={"attempts": 3, "strategy": "RetryTopics"})


def child(name: str, **labels: str) -> EventTopic:
    """Show an EventTopic that was made for the Subscription."""
    ours = {"events.sindhan.ai/subscription": "billing"} | {f"events.sindhan.ai/{key}": labels[key] for key in labels}
    return settled(event_topic(name, labels=ours))


DEAD, SOON = child("billing.dlq", role="dead-letter"), child("billing.retry-1s", role="retry", delay="1s")
LATER = child("billing.retry-2s", role="retry", delay="2s")


def asked(
    wanted: Subscription,
    *siblings: EventTopic,
    policy: DeadLetterPolicy | None = None,
    connection: KafkaConnection = KAFKA,
    bus: EventBus | None = None,
    **around: Any,
) -> DesiredApplication | Refusal:
    circumstances = Circumstances(
        bus=bus or event_bus(),
        connection=AccessConnection(connection),
        cluster=CLUSTER,
        runtime_image=RUNTIME_IMAGE,
        policy=policy,
        siblings=siblings,
        **{"topics": {"orders": ORDERS}, **around},
    )
    return desire_subscription(wanted, circumstances)


def resolved(*args: Any, **kwargs: Any) -> DesiredApplication:
    desired = asked(*args, **kwargs)
    assert isinstance(desired, DesiredApplication), desired
    return desired


def kinds(desired: DesiredApplication) -> list[str]:
    return [f"{each['kind']} {each['metadata']['name']}" for each in desired.objects.manifests]


def config_of(desired: DesiredApplication) -> dict[str, Any]:
    (config,) = (each for each in desired.objects.manifests if each["kind"] == "ConfigMap")
    told: dict[str, Any] = json.loads(config["data"]["runtime.json"])
    return told


def pod_of(desired: DesiredApplication) -> dict[str, Any]:
    (deployment,) = (each for each in desired.objects.manifests if each["kind"] == "Deployment")
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def is_owned(manifest: Manifest) -> bool:
    (owner,) = manifest["metadata"]["ownerReferences"]
    return bool(owner["kind"] == "Subscription" and owner["name"] == "billing" and owner["controller"])


# --- dead letters


def test_topics_are_asked_for_first_and_the_container_waits_for_them() -> None:
    desired = resolved(subscription(**HTTP, **CAREFUL), policy=RETRYING)
    assert kinds(desired) == ["EventTopic billing.dlq", "EventTopic billing.retry-1s", "EventTopic billing.retry-2s"]
    assert all(is_owned(each) for each in desired.objects.manifests)
    assert desired.objects.manifests[0]["metadata"]["labels"]["events.sindhan.ai/role"] == "dead-letter"
    assert [each.reason for each in desired.access.missing] == [Reason.TOPIC_NOT_READY] * 3


def test_the_consumer_is_told_and_may_write_when_they_have_been_made() -> None:
    desired = resolved(subscription(**HTTP, **CAREFUL), DEAD, SOON, LATER, policy=RETRYING)
    assert kinds(desired)[3:] == [
        f"{kind} billing-subscription" for kind in ("ServiceAccount", "ConfigMap", "Deployment")
    ]
    assert desired.access.missing == ()
    assert {
        Grant("TOPIC", "shop.billing.dlq", "WRITE"),
        Grant("TOPIC", "shop.billing.retry-1s", "READ"),
    } < desired.access.grants
    retry = config_of(desired)["retry"]
    assert retry["deadLetterTopic"] == "shop.billing.dlq"
    assert retry["tiers"] == [
        {"topic": "shop.billing.retry-1s", "delayMs": 1000},
        {"topic": "shop.billing.retry-2s", "delayMs": 2000},
    ]


def test_a_policy_that_does_not_exist_is_waited_for() -> None:
    desired = resolved(subscription(**HTTP, **CAREFUL), DEAD)
    assert [each.reason for each in desired.access.missing] == [Reason.POLICY_NOT_FOUND]
    assert kinds(desired) == []
    topic = ObjectKey(API_VERSION, "EventTopic", "shop", "billing.dlq")
    assert topic in desired.objects.left_alone


def test_a_bus_without_users_grants_nothing() -> None:
    open_bus = KafkaConnection(("kafka:9092",))
    desired = resolved(subscription(**HTTP, **CAREFUL), DEAD, SOON, LATER, policy=RETRYING, connection=open_bus)
    assert desired.access.grants == frozenset()
    assert config_of(desired)["retry"]["deadLetterTopic"] == "shop.billing.dlq"


@pytest.mark.parametrize(
    ("updated", "kept"),
    [
        pytest.param(1, False, id="all pods know the policy as it is"),
        pytest.param(0, True, id="a pod may still move events there"),
    ],
)
def test_a_topic_that_is_empty_is_let_go_when_no_pod_writes_to_it_any_more(*, updated: int, kept: bool) -> None:
    workload = {"name": "billing-subscription", "replicas": 1, "updated": updated, "available": 1}
    rolling = subscription(**HTTP, **CAREFUL, status=SubscriptionStatus.model_validate({"workload": workload}))
    blocking = dead_letter_policy(retry={"attempts": 3})
    desired = resolved(rolling, DEAD, SOON, policy=blocking, drained={"shop.billing.retry-1s"})
    topic = ObjectKey(API_VERSION, "EventTopic", "shop", "billing.retry-1s")
    assert (topic in desired.objects.left_alone) is kept


# --- what is read, and where it goes


def test_majors_are_told_by_the_names_of_topics_in_kafka() -> None:
    topics = [{"name": "orders", "major": 2}, {"name": "bills"}, {"name": "new", "major": 1}]
    around = {"topics": {"orders": ORDERS, "bills": settled(event_topic("bills")), "new": settled(event_topic("new"))}}
    assert config_of(resolved(subscription(**HTTP, topics=topics), **around))["majors"] == {
        "shop.orders": 2,
        "shop.new": 1,
    }


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"sink": {"topic_ref": {"name": "orders"}}}, Reason.INVALID_SPEC, id="events would go in circles"),
        pytest.param({**HTTP, "filter": "event.typo"}, Reason.EXPRESSION_INVALID, id="a faulty filter"),
    ],
)
def test_what_makes_no_sense_is_refused(spec: dict[str, Any], reason: Reason) -> None:
    refusal = asked(subscription(**spec))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_the_topic_of_a_sink_is_told_and_written_to() -> None:
    desired = resolved(
        subscription(sink={"topic_ref": {"name": "bills"}}), sink_topics={"bills": settled(event_topic("bills"))}
    )
    assert config_of(desired)["topic"] == {"topic": "shop.bills"}
    assert Grant("TOPIC", "shop.bills", "WRITE") in desired.access.grants


# --- what it looks up


CUSTOMERS = settled(event_topic("customers", cleanup=["compact"]))
CUSTOMER: dict[str, Any] = {"name": "customer", "key": "event.data.id", "topic_ref": {"name": "customers"}}
FX: dict[str, Any] = {"name": "rate", "key": "event.data.currency", "http": {"url": "http://rates/{key}"}}
LOOKING_UP: dict[str, Any] = {**HTTP, "filter": "lookups.customer != null", "lookups": [CUSTOMER]}


def test_a_topic_that_is_looked_into_is_told_and_may_be_read() -> None:
    rate = {"name": "rate", "key": "event.data.currency", "http": {"url": "http://rates/{key}"}, "if_missing": "Fail"}
    desired = resolved(
        subscription(**{**LOOKING_UP, "lookups": [CUSTOMER, rate]}), lookup_topics={"customers": CUSTOMERS}
    )
    told = config_of(desired)["lookups"]
    assert told[0] == {
        "name": "customer",
        "key": "event.data.id",
        "topic": {"topic": "shop.customers", "maxEntries": 100_000},
        "ifMissing": "Null",
    }
    assert (told[1]["name"], told[1]["http"]["url"], told[1]["ifMissing"]) == ("rate", "http://rates/{key}", "Fail")
    reading_only = resolved(subscription(**HTTP)).access
    assert desired.access.grants - reading_only.grants == {Grant("TOPIC", "shop.customers", "READ")}
    assert desired.access.topics == reading_only.topics
    assert desired.access.missing == ()


@pytest.mark.parametrize(
    ("bus", "spec", "reason"),
    [
        pytest.param({}, {"cleanup": ["compact", "delete"]}, None, id="compacted, and deleted after a while"),
        pytest.param({}, {"config": {"cleanup.policy": "compact"}}, None, id="by a setting"),
        pytest.param({"defaults": {"config": {"cleanup.policy": "compact"}}}, {}, None, id="by the bus"),
        pytest.param({}, {"unmanaged_config": ["cleanup.policy"]}, None, id="others say what it is"),
        pytest.param({}, {"cleanup": ["delete"]}, Reason.TOPIC_NOT_COMPACTED, id="deleted only"),
        pytest.param({}, {}, Reason.TOPIC_NOT_COMPACTED, id="nothing is said: the broker's default"),
    ],
)
def test_what_is_looked_into_is_compacted(bus: dict[str, Any], spec: dict[str, Any], reason: Reason | None) -> None:
    topic = settled(event_topic("customers", **spec))
    desired = resolved(subscription(**LOOKING_UP), lookup_topics={"customers": topic}, bus=event_bus(**bus))
    assert [each.reason for each in desired.access.missing] == ([] if reason is None else [reason])
    assert bool(desired.objects.manifests) is (reason is None), "nothing runs that could forget"


def test_a_topic_that_is_looked_into_is_waited_for() -> None:
    desired = resolved(subscription(**LOOKING_UP))
    assert [each.reason for each in desired.access.missing] == [Reason.TOPIC_NOT_FOUND]
    both = {**LOOKING_UP, "sink": {"topic_ref": {"name": "customers"}}}
    assert len(resolved(subscription(**both)).access.missing) == 1, "said once"


def test_a_schema_of_what_is_looked_into_needs_the_registry() -> None:
    bus = event_bus(schema_registry={"url": "http://registry"})
    topic = settled(event_topic("customers", cleanup=["compact"], schemas={"value": {"name": "customer"}}), bus)
    desired = resolved(subscription(**LOOKING_UP), lookup_topics={"customers": topic}, bus=bus)
    assert desired.objects.reads_registry
    assert not resolved(subscription(**HTTP), bus=bus).objects.reads_registry


def test_the_secrets_of_a_service_that_is_looked_up_are_mounted() -> None:
    tls = {"ca_secret_ref": {"name": "authority", "key": "ca.pem"}, "certificate_secret_ref": {"name": "client"}}
    http = {"url": "https://rates/{key}", "bearer_token_secret_ref": {"name": "token"}, "tls": tls}
    rates = [{"name": "fx_rate", "key": "event.data.currency", "http": http}, {**CUSTOMER}]
    desired = resolved(
        subscription(**{**LOOKING_UP, "filter": None, "lookups": rates}), lookup_topics={"customers": CUSTOMERS}
    )
    pod = pod_of(desired)
    secrets = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    named = {"lookup-fx-rate-token": "token", "lookup-fx-rate-ca": "authority", "lookup-fx-rate-certificate": "client"}
    assert named.items() <= secrets.items()
    mounted = {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert {f"/bindings/{each}" for each in named} <= mounted


def test_whatever_a_look_up_is_called_its_volumes_have_names_that_kubernetes_takes() -> None:
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", lookup_credential_folder("certificate", "a_b_" + "_" * 26))
    assert len(lookup_credential_folder("certificate", "r" * 30)) <= 63


@pytest.mark.parametrize(
    ("lookups", "memory"),
    [
        pytest.param([], ("128Mi", "256Mi"), id="none"),
        pytest.param([CUSTOMER], ("225Mi", "353Mi"), id="a kilobyte for each key"),
        pytest.param(
            [{**CUSTOMER, "topic_ref": {"name": "customers", "max_entries": 1_000_000}}, FX],
            ("1114Mi", "1242Mi"),
            id="of all of them, and of answers",
        ),
    ],
)
def test_pods_get_memory_for_what_they_keep(lookups: list[dict[str, Any]], memory: tuple[str, str]) -> None:
    desired = resolved(subscription(**HTTP, lookups=lookups), lookup_topics={"customers": CUSTOMERS})
    resources = pod_of(desired)["containers"][0]["resources"]
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == memory


def test_who_brings_an_image_says_how_much_memory() -> None:
    function = {"image": "shop/billing:1", "callable": "billing:handle"}
    desired = resolved(
        subscription(sink={"python": function}, lookups=[CUSTOMER]), lookup_topics={"customers": CUSTOMERS}
    )
    assert pod_of(desired)["containers"][0]["resources"]["limits"]["memory"] == "256Mi"


# --- how many pods


SCALED: dict[str, Any] = {**HTTP, "scaling": {"min": 2, "max": 5}}


@pytest.mark.parametrize(
    ("spec", "has_autoscaler", "autoscaled"),
    [
        pytest.param(SCALED, True, True, id="KEDA is there"),
        pytest.param(SCALED, False, False, id="KEDA is not there"),
        pytest.param(HTTP, True, None, id="nobody asks for it"),
    ],
)
def test_pods_follow_the_lag(spec: dict[str, Any], has_autoscaler: bool, autoscaled: bool | None) -> None:  # noqa: FBT001
    desired = resolved(subscription(**spec), has_autoscaler=has_autoscaler)
    assert desired.objects.autoscaled is autoscaled
    (deployment,) = (each for each in desired.objects.manifests if each["kind"] == "Deployment")
    assert ("replicas" in deployment["spec"]) is not bool(autoscaled)
    scaled = [each for each in desired.objects.manifests if each["apiVersion"] == "keda.sh/v1alpha1"]
    assert len(scaled) == (2 if autoscaled else 0)
    assert all(is_owned(each) for each in scaled)
    if autoscaled:
        assert (scaled[1]["spec"]["minReplicaCount"], scaled[1]["spec"]["maxReplicaCount"]) == (2, 3)


def test_nothing_is_scaled_before_there_are_pods() -> None:
    desired = resolved(subscription(**SCALED), has_autoscaler=True, topics={"orders": event_topic("orders")})
    assert kinds(desired) == []


# --- the registry

REGISTRY: dict[str, Any] = {"url": "http://registry"}
LOGS_IN = REGISTRY | {"authentication": {"secret_ref": {"name": "admin"}}}
DESCRIBED = {"orders": settled(event_topic("orders", schemas={"value": {"name": "order"}}))}


@pytest.mark.parametrize(
    ("wanted", "registry", "topics", "needed", "refused"),
    [
        pytest.param(HTTP, None, DESCRIBED, False, False, id="the bus has no registry"),
        pytest.param(HTTP, LOGS_IN, {"orders": ORDERS}, False, False, id="the topic has no Schema"),
        pytest.param(HTTP, LOGS_IN, {"orders": None}, False, False, id="there is no topic"),
        pytest.param({}, LOGS_IN, DESCRIBED, False, False, id="we run nothing"),
        pytest.param(HTTP, REGISTRY, DESCRIBED, True, False, id="the operator needs no password"),
        pytest.param(HTTP, LOGS_IN, DESCRIBED, True, True, id="it does, and nothing is said of others"),
        pytest.param(HTTP, LOGS_IN | {"applications": {}}, DESCRIBED, True, False, id="everybody may read"),
    ],
)
def test_a_sink_of_topics_with_a_schema_needs_the_registry(
    wanted: dict[str, Any],
    registry: dict[str, Any] | None,
    topics: dict[str, EventTopic | None],
    needed: bool,  # noqa: FBT001
    refused: bool,  # noqa: FBT001
) -> None:
    objects = resolved(subscription(**wanted), bus=event_bus(schema_registry=registry), topics=topics).objects
    assert objects.reads_registry is needed
    assert (objects.unreadable.reason if objects.unreadable else None) == (
        Reason.REGISTRY_LOGIN_MISSING if refused else None
    )
