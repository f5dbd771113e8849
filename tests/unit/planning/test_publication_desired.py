"""All that a Publication asks for: its access, and the relay that publishes with it."""

from typing import Any, Final

import pytest
from builders import CLUSTER, KAFKA, MUTUAL, RUNTIME_IMAGE, event_bus, event_topic, mapping_bus, publication, settled

from eventplane.api.conditions import Reason
from eventplane.api.publication import Publication
from eventplane.planning.access_state import Grant
from eventplane.planning.connection import AccessConnection, KafkaConnection
from eventplane.planning.objects import Manifest
from eventplane.planning.plan import Refusal
from eventplane.planning.publication_desired import PublicationCircumstances, desire_publication
from eventplane.planning.workload_desired import DesiredApplication, DesiredObjects, workload_keys

RELAY: Final[dict[str, Any]] = {
    "transactional": True,
    "relay": {"store_secret_ref": {"name": "database"}, "positions": {"name": "positions"}},
}
ORDERS, PAYMENTS = settled(event_topic("orders")), settled(event_topic("payments"))
POSITIONS = settled(event_topic("positions", cleanup=["compact"]))


def relaying(topics: Any = ({"name": "orders"},), **relay: Any) -> Publication:
    return publication(**{**RELAY, "topics": topics, "relay": {**RELAY["relay"], **relay}})


def asked(wanted: Publication, **around: Any) -> DesiredApplication | Refusal:
    given: dict[str, Any] = {
        "bus": event_bus(),
        "connection": AccessConnection(KAFKA),
        "topics": {"orders": ORDERS},
        "positions": POSITIONS,
        **around,
    }
    return desire_publication(wanted, PublicationCircumstances(cluster=CLUSTER, runtime_image=RUNTIME_IMAGE, **given))


def resolved(wanted: Publication, **around: Any) -> DesiredApplication:
    desired = asked(wanted, **around)
    assert isinstance(desired, DesiredApplication), desired
    return desired


def refused(wanted: Publication, **around: Any) -> Refusal:
    desired = asked(wanted, **around)
    assert isinstance(desired, Refusal), desired
    return desired


def deployment(desired: DesiredApplication) -> Manifest:
    (found,) = (each for each in desired.objects.manifests if each["kind"] == "Deployment")
    return found


def environment(desired: DesiredApplication) -> dict[str, str]:
    (container,) = deployment(desired)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def test_without_a_relay_it_is_its_access_and_nothing_else() -> None:
    desired = resolved(publication())
    assert desired.objects == DesiredObjects()
    assert desired.access.grants == {Grant("TOPIC", "shop.orders", "WRITE")}


def test_a_relay_may_read_and_write_its_positions_and_nothing_more() -> None:
    access = resolved(relaying()).access
    prefix = f"{access.user}."
    assert access.grants == {
        Grant("TOPIC", "shop.orders", "WRITE"),
        Grant("TOPIC", "shop.positions", "WRITE"),
        Grant("TOPIC", "shop.positions", "READ"),
        Grant("TRANSACTIONAL_ID", prefix, "WRITE", prefixed=True),
    }
    assert access.topics == ("shop.orders",), "the binding names where events go"


def test_what_it_becomes_goes_with_the_publication() -> None:
    desired = resolved(relaying())
    kinds = [each["kind"] for each in desired.objects.manifests]
    assert kinds == ["ServiceAccount", "Deployment", "PodDisruptionBudget"]
    assert desired.objects.keys <= workload_keys(relaying()), "all of it is looked for when a pass was cut short"
    for each in desired.objects.manifests:
        (owner,) = each["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Publication", "web")
        assert each["metadata"]["name"] == "web-publication"
    alone = resolved(relaying(replicas=1))
    assert [each["kind"] for each in alone.objects.manifests] == ["ServiceAccount", "Deployment"]


def test_its_pod_has_both_bindings_and_may_do_nothing_else() -> None:
    template = deployment(resolved(relaying()))["spec"]["template"]
    pod = template["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["args"]) == (RUNTIME_IMAGE, ["-m", "eventplane.eventstore.relay"])
    secrets = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    assert secrets == {"kafka": "web-publication", "eventstore": "database"}
    mounts = {each["name"]: (each["mountPath"], each.get("readOnly")) for each in container["volumeMounts"]}
    assert mounts["eventstore"] == ("/bindings/eventstore", True)
    assert mounts["kafka"] == ("/bindings/kafka", True)
    assert not pod["automountServiceAccountToken"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert template["metadata"]["annotations"]["events.sindhan.ai/publication"] == "web"


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        ([], "*=shop.orders"),
        ([{"types": "payment.*", "topic": "payments"}], "payment.*=shop.payments"),
        (
            [{"types": "payment.*", "topic": "payments"}, {"types": "*", "topic": "orders"}],
            "payment.*=shop.payments,*=shop.orders",
        ),
    ],
)
def test_events_go_where_the_routes_say_by_the_names_of_kafka(routes: list[dict[str, str]], told: str) -> None:
    wanted = relaying(routes=routes, topics=[{"name": "orders"}, {"name": "payments"}])
    assert environment(resolved(wanted, topics={"orders": ORDERS, "payments": PAYMENTS})) == {
        "SERVICE_BINDING_ROOT": "/bindings",
        "EVENTPLANE_RELAY_NAME": "web",
        "EVENTPLANE_RELAY_TOPICS": told,
        "EVENTPLANE_RELAY_POSITIONS": "shop.positions",
        "EVENTPLANE_RELAY_START": "position",
        "EVENTPLANE_PROBE_PORT": "8080",
    }


def test_to_begin_with_the_first_event_has_to_be_asked_for() -> None:
    assert environment(resolved(relaying(start="Beginning")))["EVENTPLANE_RELAY_START"] == "beginning"


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        ({"positions": None}, Reason.TOPIC_NOT_FOUND),
        ({"positions": event_topic("positions", cleanup=["compact"])}, Reason.TOPIC_NOT_READY),
        ({"topics": {"orders": None}}, Reason.TOPIC_NOT_FOUND),
    ],
)
def test_while_a_topic_is_missing_what_runs_stays(around: dict[str, Any], reason: Reason) -> None:
    desired = resolved(relaying(), **around)
    assert [each.reason for each in desired.access.missing] == [reason]
    assert desired.objects.manifests == ()
    assert desired.objects.left_alone == workload_keys(relaying())
    assert desired.objects.deployment in desired.objects.left_alone


@pytest.mark.parametrize("cleanup", [None, ["delete"], ["compact", "delete"]])
def test_positions_are_kept_for_ever_or_not_at_all(cleanup: list[str] | None) -> None:
    refusal = refused(relaying(), positions=settled(event_topic("positions", cleanup=cleanup)))
    assert refusal.reason == Reason.INVALID_SPEC
    assert "EventTopic shop/positions" in refusal.message


def test_what_is_refused_of_the_access_is_refused() -> None:
    refusal = refused(relaying(), connection=AccessConnection(MUTUAL))
    assert refusal.reason == Reason.IDENTITY_NOT_SUPPORTED


def test_on_a_bus_with_certificates_it_brings_one_of_its_own() -> None:
    bus = mapping_bus()
    refusal = refused(relaying(), bus=bus, connection=AccessConnection(MUTUAL))
    assert (refusal.reason, "credentials.certificateSecretRef" in refusal.message) == (
        Reason.IDENTITY_NOT_SUPPORTED,
        True,
    )
    certified = publication(**RELAY, credentials={"certificate_secret_ref": {"name": "certificate"}})
    desired = resolved(certified, bus=bus, connection=AccessConnection(MUTUAL))
    volumes = deployment(desired)["spec"]["template"]["spec"]["volumes"]
    assert {"name": "certificate", "secret": {"secretName": "certificate"}} in volumes


def test_where_kafka_asks_nobody_nothing_is_granted() -> None:
    assert (
        resolved(relaying(), connection=AccessConnection(KafkaConnection(("kafka:9092",)))).access.grants == frozenset()
    )
