"""The demo: a real cluster, Kafka and registry, the operator by its chart, the samples, an event, a repair, the truth.

Every claim is checked; the exit code is 1 when one does not hold. Run it again as often as you like.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING

import yaml

from e2e import cluster as harness
from e2e import servers
from e2e.applications import application_of
from e2e.cluster.commands import CommandError, HarnessError, stop_running
from e2e.cluster.lifecycle import servers_dir
from e2e.cluster.steps import step
from e2e.http_service import http_service
from e2e.installation import CHART, Installation
from e2e.kafka_view import KafkaView
from e2e.servers.polling import poll
from e2e.workspace import NotReachedError, Workspace, is_current, ready, scram_bus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from e2e.cluster import Cluster
    from e2e.cluster.steps import Step
    from e2e.servers import Kafka
    from e2e.workspace import Resource

NAMESPACE = "eventplane-demo"
SETTINGS = {"settings.resyncSeconds": "10", "settings.secretRefreshSeconds": "5"}
_SAMPLES = CHART.parent.parent / "manifests/samples"
_EXAMPLES = CHART.parent.parent / "docs/guide/examples"
_EXPECTED: Mapping[str, frozenset[str]] = {
    "payments": frozenset({"AwaitingApproval", "Ready"}),  # Ready once somebody has approved it, as it tells how to
    "legacy-invoices": frozenset({"OutOfSync"}),
}
"""The reasons of Ready of those samples that are not to become Ready by themselves."""
_READY = frozenset({"Ready"})
_PATIENCE_SECONDS = 90
"""A container has to be started, too."""
_WIDTH = 180
_LARGE = 100
"""What the sample consumer lets through is more."""
_DRIFT = ("retention.ms", "60000")


class ClaimError(Exception):
    """Something that the demo shows is not so."""


def run() -> None:
    """Run the demo; raises when a claim does not hold."""
    cluster = harness.up()
    Installation(cluster).install(SETTINGS)
    kafka = servers.load(servers_dir()).kafka
    view, place = KafkaView(kafka), Workspace(cluster, NAMESPACE)
    registry = servers.load(servers_dir()).registry
    with step("bus"):
        make_bus(place, kafka, registry.url if registry else "")
    with step("samples") as current:
        names = apply_samples(place)
        reasons = settle(place, names, current)
    table = place.kubectl("get", "eventplane", "--output", "wide")
    show("what Kubernetes says", "\n".join(line[:_WIDTH].rstrip() for line in table.splitlines()))
    with step("topics in Kafka") as current:
        listed = check_topics(place, view, reasons)
        current.result(f"{len(listed)} as their statuses say")
    show("what Kafka says", "\n".join(f"{name:<30} {count:>3} partitions" for name, count in listed.items()))
    with step("an event") as current:
        current.result(exchange_event(place, "orders"))
    with step("events for a service") as current:
        current.result(deliver_events(place, "orders", current))
    with step("the service's examples") as current:
        printed = run_examples(place, view, current)
    show("what the service's examples print", printed)
    with step("a breaking change") as current:
        version, refusal = break_schema(place)
        current.result(f"refused, and version {version} is still what counts")
    show("what the developer reads", refusal)
    with step("a repair") as current:
        current.result(repair(place, view, current))
    show("its Event", place.kubectl("get", "events", "--field-selector=reason=DriftRepaired"))
    found = place.get("EventTopic", "orders") or {}
    show("what one status looks like", yaml.safe_dump(found["status"], sort_keys=False))
    place.close()
    show("how to go on", _farewell(cluster))


def make_bus(place: Workspace, kafka: Kafka, registry: str) -> None:
    """Make the bus `main`: TLS, SCRAM, a schema registry, its Secrets, and consent to read those and keep others."""
    place.create()
    place.allow_secrets()
    place.allow_applications()
    defaults = {"partitions": 6, "config": {"min.insync.replicas": "1"}}
    place.apply(*scram_bus("main", kafka, defaults=defaults, schemaRegistry={"url": registry}))
    place.until_ready("main", kind="EventBus")


def apply_samples(place: Workspace) -> list[tuple[str, str]]:
    """Apply the samples as they are, but for the buses; return their kinds and names."""
    files = sorted(_SAMPLES.glob("[1-9]*.yaml"))
    words = [f"--filename={file}" for file in files]
    place.kubectl("apply", *words)
    documents = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    return [(each["kind"], each["metadata"]["name"]) for each in documents if each["kind"] != "ConfigMap"]


def settle(place: Workspace, names: list[tuple[str, str]], current: Step) -> dict[str, str]:
    """Wait until each resource is Ready, or what else it is to be; return the reasons."""
    reasons = {}
    for kind, name in names:
        wanted = _EXPECTED.get(name, _READY)
        current.doing(f"waiting for {name} to be {' or '.join(sorted(wanted))}")
        found = place.until(kind, name, partial(_is_settled, wanted), seconds=_PATIENCE_SECONDS)
        reasons[name] = ready(found)["reason"]
    current.result(", ".join(f"{name} {reason}" for name, reason in reasons.items()))
    return reasons


def _is_settled(wanted: frozenset[str], found: Resource) -> bool:
    return is_current(found) and ready(found).get("reason") in wanted


def check_topics(place: Workspace, view: KafkaView, reasons: Mapping[str, str]) -> dict[str, int]:
    """Compare the statuses with Kafka; return the topics with their partitions."""
    existing, shown = view.partitions(), {}
    for resource in place.every("EventTopic"):
        name, status = resource["metadata"]["name"], resource["status"]
        if name not in reasons:
            continue
        actual = existing.get(status["topicName"])
        if actual != status.get("partitions") or (reasons[name] == "Ready" and actual is None):
            raise ClaimError(
                f"topic {status['topicName']} has {actual} partitions, its status says otherwise: {status}"
            )
        if actual is not None:
            shown[status["topicName"]] = actual
    return shown


def exchange_event(place: Workspace, topic: str) -> str:
    """Let the sample applications exchange a CloudEvent (structured mode, https://cloudevents.io).

    Each has nothing but the Secret of its Publication or Subscription.
    """
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/shop",
        "type": "order.created",
        "datacontenttype": "application/json",
        "data": {"order": "o-42", "amount": 120},
    }
    sent = json.dumps(event).encode()
    headers = {"content-type": "application/cloudevents+json"}
    web_shop, billing = (application_of(place, name) for name in ("web-shop-publication", "billing-subscription"))
    failure = web_shop.publish(topic, sent, key=b"o-42", headers=headers)
    if failure is not None:
        raise ClaimError(f"the Publication web-shop may not write to {topic}: {failure}")
    received = billing.receive(topic, sent)
    if received != sent:
        raise ClaimError(f"what the Subscription billing read from {topic} is not what was written: {received!r}")
    refused = billing.publish(topic)
    if refused is None:
        raise ClaimError(f"the Subscription billing may write to {topic}")
    return f"{event['type']} {event['id']} written by web-shop, read by billing, who may not write ({refused.name()})"


def deliver_events(place: Workspace, topic: str, current: Step) -> str:
    """Let the sample consumer deliver to a service what its filter lets through."""
    service = http_service(place, "loyalty", failing_percent=0)
    service.until_at_work()
    web_shop = application_of(place, "web-shop-publication")
    amounts = {str(uuid.uuid4()): amount for amount in (250, 90, 120)}
    for event, amount in amounts.items():
        headers = {"ce_specversion": "1.0", "ce_id": event, "ce_source": "/shop", "ce_type": "order.created"}
        value = json.dumps({"amount": amount}).encode()
        failure = web_shop.publish(topic, value, headers=headers | {"content-type": "application/json"})
        if failure is not None:
            raise ClaimError(f"the Publication web-shop may not write to {topic}: {failure}")
    large = {event for event, amount in amounts.items() if amount > _LARGE}
    current.doing("waiting for the service to take what the filter lets through")
    if not poll(lambda: large <= set(service.delivered()), _PATIENCE_SECONDS, every=0.5):
        raise ClaimError(f"the service took only {set(service.delivered()) & set(amounts)} of {large}")
    if set(service.delivered()) & set(amounts) != large:
        raise ClaimError("the filter let through what it should not")
    return f"{len(amounts)} orders written, the {len(large)} of more than {_LARGE} posted to the service loyalty"


def run_examples(place: Workspace, view: KafkaView, current: Step) -> str:
    """Run the examples of docs/guide/examples.md in pods; return what they print."""
    place.kubectl("delete", "job/user-aggregate", "--ignore-not-found")  # what it is like can never change
    place.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={_EXAMPLES}")
    current.doing("waiting for their pods")
    place.kubectl("wait", "deployment/welcome", "--for=condition=Available", "--timeout=90s")
    place.kubectl("wait", "job/user-aggregate", "--for=condition=Complete", "--timeout=90s")
    email = json.loads(view.values("notification-events", 1)[0])
    if (email["email_type"], email["recipient"]) != ("welcome", "john@example.com"):
        raise ClaimError(f"the user who registered got another email: {email}")
    status = place.kubectl("logs", "job/user-aggregate")
    if status != "User status: active\n":
        raise ClaimError(f"the user is not active: {status}")
    current.result(f"{email['email_type']} email sent, and told of in topic notification-events")
    return place.kubectl("logs", "deployment/welcome") + status


def break_schema(place: Workspace) -> tuple[int, str]:
    """Ask for an order with a field that no event has; return the version that stands, and the words of the refusal.

    The version is the first in a fresh registry; the subject outlives the demo, as its deletionPolicy says.
    """
    before = (place.get("Schema", "order") or {})["status"]["version"]
    order = next(each for each in yaml.safe_load_all((_SAMPLES / "21-order.yaml").read_text()))
    definition = json.loads(order["spec"]["definition"])
    definition["fields"].append({"name": "currency", "type": "string"})
    order["spec"]["definition"] = json.dumps(definition)
    try:
        place.apply(order)
    except CommandError as refused:
        words = str(refused).partition("denied the request: ")[2]
    else:
        raise ClaimError("a definition that breaks its readers was taken")
    found = place.get("Schema", "order") or {}
    if "currency" not in words or found["status"]["version"] != before or ready(found)["status"] != "True":
        raise ClaimError(f"version {before} of the order is not what counts after this: {words}; {found['status']}")
    return before, words


def repair(place: Workspace, view: KafkaView, current: Step) -> str:
    """Change a setting behind the operator's back and wait until it is as asked for again, with an Event that tells."""
    key, value = _DRIFT
    wanted = view.settings("orders")[key]
    told_before = len(_repairs(place))
    view.set("orders", key, value)
    current.tell(f"somebody sets {key} of topic orders to {value}")
    began = time.monotonic()
    if not poll(lambda: view.settings("orders").get(key) == wanted, 60, every=0.2):
        raise ClaimError(f"{key} of topic orders is still {view.settings('orders').get(key)}")
    seconds = time.monotonic() - began
    if not poll(lambda: len(_repairs(place)) > told_before, 20, every=0.2):
        raise ClaimError("the repair posted no Event")
    return f"{key} is {wanted} again after {seconds:.1f} s (looked at every {SETTINGS['settings.resyncSeconds']} s)"


def _repairs(place: Workspace) -> list[tuple[str, str]]:
    return [event for event in place.events("orders") if event[0] == "DriftRepaired"]


def show(title: str, text: str) -> None:
    """Print a block for the reader."""
    print(f"\n--- {title}\n{text.rstrip()}\n", flush=True)


def _farewell(cluster: Cluster) -> str:
    return (
        f"export KUBECONFIG={cluster.kubeconfig} PATH={cluster.kubectl_path.parent}:$PATH\n"
        f"kubectl -n {NAMESPACE} get eventplane               # everything, with Ready and its reason\n"
        f"kubectl -n {NAMESPACE} get etopic payments -o jsonpath='{{.status.plan}}'   # what waits for approval\n"
        f"kubectl -n {NAMESPACE} describe etopic orders       # with its Events\n"
        f"kubectl -n {NAMESPACE} get eschema order -o yaml    # subject, versions, who uses it\n"
        "kubectl explain eventtopic.spec                   # every field with its default\n"
        "make cluster-down                                 # stop all of it"
    )


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; return the exit code."""
    signal.signal(signal.SIGTERM, _interrupted)
    began = time.monotonic()
    try:
        run()
    except (HarnessError, servers.ServerError, NotReachedError, ClaimError, PermissionError, TimeoutError) as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: run it again to go on, `make cluster-down` to stop everything", file=sys.stderr)
        return 130
    finally:
        stop_running()
    print(f"\nEverything above is so; it took {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
