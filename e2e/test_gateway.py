"""The gateway of a bus through the chart: real ServiceAccounts publish by HTTP, as far as a Publication lets them."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from e2e.cluster.commands import CommandError
from e2e.installation import RELEASE
from e2e.servers.certificates import Authority
from e2e.workspace import application, condition, scram_bus, secret, topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.conftest import Namespaces
    from e2e.kafka_view import KafkaView
    from e2e.servers import Kafka
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

AUDIENCE = "eventplane-gateway"
ASK = """
import json, ssl, sys, urllib.error, urllib.request
told = json.loads(sys.stdin.readline())
request = urllib.request.Request(told["url"], json.dumps(told["event"]).encode(), told["headers"])
try:
    answer = urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cadata=told["ca"]))
except urllib.error.HTTPError as refused:
    answer = refused
print(json.dumps({"status": answer.status, "body": json.load(answer)}))
"""
"""Publishes one event, from inside of the cluster. What is secret comes by stdin."""


class Shop:
    """A namespace with a bus of its own that has a gateway, the topic orders, and two ServiceAccounts."""

    def __init__(self, place: Workspace, authority: Authority, kafka: Kafka) -> None:
        self.place = place
        self.authority = authority
        self.kafka = kafka
        self.host = f"main-gateway.{place.namespace}.svc"
        self.topic = f"{place.namespace}.orders"

    def bus(self, **spec: Any) -> Resource:
        """Return the bus."""
        return scram_bus("main", self.kafka, **spec)[-1]

    def token(self, account: str, audience: str = AUDIENCE) -> str:
        """Ask the API server for a token of a ServiceAccount."""
        return self.place.kubectl("create", "token", account, f"--audience={audience}", "--duration=10m").strip()

    def publish(self, token: str, event_id: str) -> tuple[int, dict[str, Any]]:
        """Publish an event through the Service; return status and body of the answer."""
        told = {
            "url": f"https://{self.host}/v1/topics/{self.topic}/events",
            "ca": self.authority.certificate.read_text(),
            "headers": {"authorization": f"Bearer {token}", "content-type": "application/json"},
            "event": {"event_id": event_id, "event_type": "order.created", "source": "shop", "data": {"amount": 5}},
        }
        pod = ("exec", "--stdin", "deployment/main-gateway", "--namespace", self.place.namespace)
        feed = json.dumps(told).encode() + b"\n"
        answer = json.loads(self.place.cluster.kubectl(*pod, "--", "python3", "-c", ASK, feed=feed))
        return answer["status"], answer["body"]

    def get(self, kind: str, name: str = "main-gateway") -> Resource | None:
        """Return an object, or None."""
        try:
            found: Resource = json.loads(self.place.kubectl("get", kind, name, "--output", "json"))
        except CommandError as error:
            if "NotFound" in str(error):
                return None
            raise
        return found


@pytest.fixture(scope="module")
def shop(namespaces: Namespaces, kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The gateway, with all its pods at work."""
    place = namespaces.make({"pod-security.kubernetes.io/enforce": "restricted"})
    folder: Path = tmp_path_factory.mktemp("authority")
    authority = Authority(folder)
    authority.create()
    made = Shop(place, authority, kafka)
    certificate, key = authority.issue("gateway", names=frozenset({made.host}))
    for account in ("web", "stranger"):
        place.kubectl("create", "serviceaccount", account)
    place.allow_secrets()
    place.allow_gateway()
    reviewer = f"{RELEASE}-{place.namespace}"
    place.kubectl(
        "create", "clusterrolebinding", reviewer, f"--clusterrole={RELEASE}-token-reviewer",
        f"--serviceaccount={place.namespace}:main-gateway",
    )  # fmt: skip
    try:
        place.apply(*scram_bus("main", kafka), secret("certificate", {"tls.crt": certificate, "tls.key": key}))
        place.until_ready("main", "EventBus")
        callers = {"serviceAccounts": [{"name": "web"}]}
        place.apply(topic("orders", partitions=1), application("Publication", "web-shop", "orders", gateway=callers))
        place.until_ready("web-shop", "Publication")
        place.apply(made.bus(gateway={"replicas": 1, "tls": {"secretRef": {"name": "certificate"}}}))
        place.until("EventBus", "main", lambda bus: condition(bus, "GatewayReady").get("status") == "True", 90)
        yield made
    finally:
        place.kubectl("delete", "clusterrolebinding", reviewer)


def until(holds: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Return what holds once it does."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not reached: {what}"
        time.sleep(0.3)
    return found


def test_a_service_account_with_a_publication_publishes(shop: Shop, view: KafkaView) -> None:
    event = uuid.uuid4().hex
    status, body = shop.publish(shop.token("web"), event)
    assert (status, body.get("topic"), body.get("partition"), body.get("offset")) == (200, shop.topic, 0, 0)
    headers = dict(view.read(shop.topic, 1)[0].headers() or [])
    assert headers["ce_id"] == event.encode()
    assert headers["eventplane-caller"] == f"system:serviceaccount:{shop.place.namespace}:web".encode()


def test_whoever_has_none_is_refused(shop: Shop) -> None:
    assert shop.publish(shop.token("stranger"), "no")[0] == 403
    assert shop.publish(shop.token("web", audience="somebody-else"), "no")[0] == 401


def test_the_bus_says_where_it_is(shop: Shop) -> None:
    found = shop.place.get("EventBus", "main")
    assert found is not None
    assert found["status"]["gateway"]["url"] == f"https://{shop.host}"
    assert condition(found, "Ready")["status"] == "True"


def test_a_publication_that_goes_revokes_at_once(shop: Shop) -> None:
    token = shop.token("web")
    shop.place.remove("web-shop", "Publication")
    until(lambda: shop.publish(token, "late")[0] >= 400, "refused")  # Kafka refuses before the kubelet tells the pod
    config = shop.get("configmap")
    assert config is not None
    assert json.loads(config["data"]["grants.json"]).get("grants", []) == []


def test_a_gateway_that_nobody_asks_for_any_more_goes(shop: Shop) -> None:
    shop.place.apply(shop.bus())
    shop.place.until("EventBus", "main", lambda bus: "gateway" not in bus["status"])
    for kind in ("deployment", "service", "configmap", "secret", "serviceaccount"):
        until(lambda kind=kind: shop.get(kind) is None, f"the {kind} goes")  # type: ignore[misc]  # bound at once
