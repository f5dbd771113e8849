"""Containers of Subscriptions through the chart: real pods that consume real events, and what is said of them."""

from __future__ import annotations

import json
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from e2e.cluster.commands import CommandError
from e2e.installation import NAMESPACE, RELEASE
from e2e.workspace import application, condition, is_current, ready, topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

CLIENT = """
import json, os, signal, sys
from confluent_kafka import Consumer
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
settings = json.load(open(os.environ["SERVICE_BINDING_ROOT"] + "/kafka/librdkafka.json"))
assert settings["sasl.password"] == os.environ["KAFKA_SASL_PASSWORD"], "file and environment differ"
assert settings["bootstrap.servers"] == os.environ["KAFKA_BOOTSTRAP_SERVERS"]
assert not os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount"), "a token is mounted"
consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
consumer.subscribe(os.environ["KAFKA_TOPICS"].split(","))
print("greeting", os.environ.get("GREETING"), "group", os.environ["KAFKA_GROUP_ID"], flush=True)
while True:
    message = consumer.poll(0.5)
    if message is not None and message.error() is None:
        print("received", message.value().decode(), flush=True)
"""
"""A plain Kafka client, as somebody wrote it who knows nothing of Eventplane."""


@pytest.fixture(scope="module")
def image(operator: Installation) -> str:
    """An image on the cluster that has Python and a Kafka client: the operator's own."""
    words = ("get", "deployment", RELEASE, "--namespace", NAMESPACE, "--output")
    return operator.cluster.kubectl(*words, "jsonpath={.spec.template.spec.containers[0].image}").strip()


@pytest.fixture
def shop(place: Workspace, main_bus: Resource) -> Workspace:
    """A namespace with the topic orders, that admits restricted pods only and in which applications may run."""
    place.kubectl("label", "namespace", place.namespace, "pod-security.kubernetes.io/enforce=restricted")
    place.allow_applications()
    place.apply(topic("orders", main_bus, partitions=2))
    place.until_ready("orders")
    return place


def consumer(default: str, bus: Resource, name: str = "billing", **workload: Any) -> Resource:
    """Return a Subscription whose container runs the client, in an image that has what it needs."""
    container = {"image": default, "command": ["python3", "-c", CLIENT], **workload}
    return application("Subscription", name, "orders", bus=bus, workload=container)


def get(place: Workspace, kind: str, name: str = "billing-subscription") -> dict[str, Any] | None:
    """Return an object, or None."""
    try:
        found: dict[str, Any] = json.loads(place.kubectl("get", kind, name, "--output", "json"))
    except CommandError as error:
        if "NotFound" in str(error):
            return None
        raise
    return found


def is_gone(place: Workspace, kind: str) -> bool:
    """Tell whether an object is gone."""
    return get(place, kind) is None


def until(holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Return what holds once it does."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not reached: {what}"
        time.sleep(0.3)
    return found


def logs(place: Workspace) -> str:
    """Return the logs of the pods that there are."""
    try:
        return place.kubectl("logs", "deployment/billing-subscription", "--tail=100")
    except CommandError:
        return ""


def until_at_work(place: Workspace, name: str = "billing") -> Resource:
    """Return a Subscription once its pods are at work."""
    found = place.until_ready(name, "Subscription", seconds=90)
    assert condition(found, "WorkloadReady")["status"] == "True"
    return found


def test_ten_lines_become_a_pod_that_consumes(shop: Workspace, main_bus: Resource, image: str, view: KafkaView) -> None:
    event = uuid.uuid4().hex
    view.produce(f"{shop.namespace}.orders", event.encode())
    shop.apply(consumer(image, main_bus))
    found = until_at_work(shop)
    assert found["status"]["workload"] == {
        "name": "billing-subscription", "replicas": 1, "updated": 1, "available": 1, "problems": [],
    }  # fmt: skip
    kinds = [(each["kind"], each["name"]) for each in found["status"]["objects"]]
    assert kinds == [("Deployment", "billing-subscription"), ("ServiceAccount", "billing-subscription")]
    assert "Deployment billing-subscription is at work" in ready(found)["message"]
    assert found["status"]["group"] == f"{shop.namespace}.billing"
    until(lambda: f"received {event}" in logs(shop), "the event in the log of the pod")
    shop.remove("billing", "Subscription")
    for kind in ("deployment", "serviceaccount", "secret"):
        until(partial(is_gone, shop, kind), f"the {kind} goes with its Subscription", seconds=90)


def test_a_change_is_rolled_out_and_nothing_else_is(shop: Workspace, main_bus: Resource, image: str) -> None:
    shop.apply(consumer(image, main_bus, env=[{"name": "GREETING", "value": "hello"}]))
    until_at_work(shop)
    first = (get(shop, "deployment") or {})["spec"]["template"]
    shop.apply(topic("returns", main_bus, partitions=1))
    shop.until_ready("returns")
    changed = consumer(image, main_bus, env=[{"name": "GREETING", "value": "good evening"}])
    changed["spec"]["topics"].append({"name": "returns"})
    shop.apply(changed)
    until_at_work(shop)
    until(lambda: "greeting good evening" in logs(shop), "the new greeting")
    second = get(shop, "deployment") or {}
    annotation = "events.sindhan.ai/config-hash"
    assert (
        first["metadata"]["annotations"][annotation]
        != second["spec"]["template"]["metadata"]["annotations"][annotation]
    )
    shop.annotate("billing", "Subscription", touched="yes")
    time.sleep(6)  # a resync and more
    assert (get(shop, "deployment") or {})["metadata"]["generation"] == second["metadata"]["generation"]


def test_what_others_change_is_put_back_at_once_and_what_they_add_stays(
    shop: Workspace, main_bus: Resource, image: str
) -> None:
    shop.apply(consumer(image, main_bus))
    until_at_work(shop)
    container = {"name": "consumer", "image": "elsewhere/other:1", "env": [{"name": "MINE", "value": "stays"}]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    shop.kubectl("patch", "deployment", "billing-subscription", "--type=strategic", f"--patch={json.dumps(patch)}")
    shop.kubectl("scale", "deployment", "billing-subscription", "--replicas=3")

    def repaired() -> bool:
        spec = (get(shop, "deployment") or {})["spec"]
        return bool(spec["replicas"] == 1 and spec["template"]["spec"]["containers"][0]["image"] == image)

    until(repaired, "the image and the number of pods as asked for", seconds=10)
    environment = (get(shop, "deployment") or {})["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "MINE", "value": "stays"} in environment
    until(lambda: "DriftRepaired" in [reason for reason, _ in shop.events("billing")], "an Event that tells")
    until_at_work(shop)
    shop.kubectl("delete", "deployment", "billing-subscription", "--wait=false")
    until(lambda: get(shop, "deployment") is not None, "the Deployment comes back", seconds=10)


NO_START: dict[str, tuple[dict[str, Any], str]] = {
    "no-image": ({"image": "registry.invalid/nosuch:1"}, "ImagePullBackOff"),
    "ends-at-once": ({"command": ["python3", "-c", "import sys; sys.exit('no configuration')"]}, "exit code 1"),
    "no-secret": ({"envFromSecrets": [{"name": "nosuch"}]}, 'secret "nosuch" not found'),
    "no-room": ({"resources": {"requests": {"cpu": "900"}, "limits": {}}}, "Insufficient cpu"),
}
"""What keeps a pod from its start, and the words for it; by the names of Subscriptions."""


def test_why_a_pod_does_not_start_is_in_the_status(shop: Workspace, main_bus: Resource, image: str) -> None:
    shop.apply(*(consumer(image, main_bus, name, **workload) for name, (workload, _) in NO_START.items()))
    before = {name: until_it_says(shop, name, words) for name, (_, words) in NO_START.items()}
    for found in before.values():
        assert condition(found, "WorkloadReady")["status"] == "False"
        assert ready(found)["reason"] == condition(found, "WorkloadReady")["reason"] == "PodsNotStarting"
        assert condition(found, "Reconciling")["status"] == "True"
    time.sleep(12)  # Kubernetes tries again meanwhile, and calls the same thing by several names
    for name, found in before.items():
        again = shop.get("Subscription", name) or {}
        assert condition(again, "WorkloadReady") == condition(found, "WorkloadReady")
        told = (found["metadata"]["resourceVersion"], again["metadata"]["resourceVersion"])
        assert told[0] == told[1], "a status that says the same is not written again"
    shop.apply(*(consumer(image, main_bus, name) for name in NO_START))
    for name in NO_START:
        until_at_work(shop, name)


def until_it_says(place: Workspace, name: str, words: str) -> Resource:
    """Return a Subscription once its WorkloadReady has some words."""
    return place.until(
        "Subscription",
        name,
        lambda found: is_current(found) and words in condition(found, "WorkloadReady").get("message", ""),
        seconds=60,
    )


def test_pods_that_the_namespace_does_not_admit_are_told(shop: Workspace, main_bus: Resource, image: str) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    shop.apply(quota)
    shop.apply(consumer(image, main_bus))
    found = shop.until_reason("billing", "PodsNotStarting", "Subscription", seconds=30)
    assert "exceeded quota" in ready(found)["message"]


def test_the_container_waits_for_its_topic_and_stays_when_that_goes(
    shop: Workspace, main_bus: Resource, image: str
) -> None:
    early = consumer(image, main_bus)
    early["spec"]["topics"] = [{"name": "later"}]
    shop.apply(early)
    waiting = shop.until_reason("billing", "TopicNotFound", "Subscription")
    assert "the container waits" in condition(waiting, "WorkloadReady")["message"]
    assert get(shop, "deployment") is None
    shop.apply(topic("later", main_bus, partitions=1))
    until_at_work(shop)
    before = get(shop, "deployment") or {}
    shop.remove("later")
    shop.until_reason("billing", "TopicNotFound", "Subscription")
    time.sleep(5)  # a resync
    assert (get(shop, "deployment") or {})["metadata"]["uid"] == before["metadata"]["uid"]
    assert (get(shop, "deployment") or {})["metadata"]["generation"] == before["metadata"]["generation"]


def test_several_pods_have_a_budget_and_a_container_that_is_not_wanted_any_more_goes(
    shop: Workspace, main_bus: Resource, image: str
) -> None:
    wanted = consumer(image, main_bus)
    wanted["spec"]["scaling"] = {"min": 2}
    shop.apply(wanted)
    until_at_work(shop)
    assert (get(shop, "poddisruptionbudget") or {})["spec"]["maxUnavailable"] == 1
    shop.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", feed=[consumer(image, main_bus)])
    until(lambda: get(shop, "poddisruptionbudget") is None, "one pod needs no budget", seconds=15)
    shop.apply(application("Subscription", "billing", "orders", bus=main_bus))
    until(lambda: get(shop, "deployment") is None and get(shop, "serviceaccount") is None, "all goes", seconds=15)
    found = shop.until_ready("billing", "Subscription")
    assert "workload" not in found["status"]
    assert condition(found, "WorkloadReady") == {}
    assert shop.secret("billing-subscription") is not None


def test_an_object_of_somebody_else_is_left_alone(shop: Workspace, main_bus: Resource, image: str) -> None:
    shop.kubectl("create", "serviceaccount", "billing-subscription")
    shop.apply(consumer(image, main_bus))
    refused = shop.until_reason("billing", "ObjectOwnedByAnother", "Subscription")
    assert "ServiceAccount billing-subscription exists and belongs to nobody" in ready(refused)["message"]
    assert condition(refused, "AccessGranted")["status"] == "True"
    assert "ownerReferences" not in (get(shop, "serviceaccount") or {})["metadata"]


def applied_by(found: Resource) -> list[str]:
    """Name the kinds of objects that a plan in a status would apply."""
    changes = found["status"].get("plan", {}).get("changes", ())
    return [line.split()[1] for line in changes if line.startswith("apply ")]


def test_credentials_are_planned_first_and_pods_when_there_are_some_for_them(
    shop: Workspace, main_bus: Resource, image: str
) -> None:
    wanted = consumer(image, main_bus)
    wanted["spec"]["mode"] = "Plan"
    shop.apply(wanted)
    first = shop.until_reason("billing", "AwaitingApproval", "Subscription")
    assert applied_by(first) == ["ServiceAccount"]
    shop.annotate("billing", "Subscription", approve=first["status"]["plan"]["hash"])
    second = shop.until("Subscription", "billing", lambda found: applied_by(found) == ["Deployment"])
    assert get(shop, "deployment") is None
    shop.annotate("billing", "Subscription", approve=second["status"]["plan"]["hash"])
    until_at_work(shop)
