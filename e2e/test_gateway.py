"""The gateway of a bus through the chart: real ServiceAccounts publish by HTTP, as far as a Publication lets them."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient
from integration.token_issuers import TokenIssuers

from e2e.cluster.commands import CommandError
from e2e.installation import RELEASE
from e2e.servers.certificates import Authority
from e2e.workspace import application, condition, scram_bus, secret, topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from e2e.cluster import Cluster
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
LISTEN = """
import json, ssl, sys, urllib.request
told = json.loads(sys.stdin.readline())
request = urllib.request.Request(told["url"], headers=told["headers"])
with urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cadata=told["ca"])) as stream:
    print(next(line for line in stream if line.startswith(b"data:")).decode().removeprefix("data:"))
"""
"""Reads the first event of a stream, likewise."""


class Shop:
    """A namespace with a bus of its own that has a gateway, the topic orders, and two ServiceAccounts."""

    def __init__(self, place: Workspace, authority: Authority, kafka: Kafka, issuers: TokenIssuers) -> None:
        self.place = place
        self.authority = authority
        self.kafka = kafka
        self.issuers = issuers
        self.reviewer = f"{RELEASE}-{place.namespace}"
        self.host = f"main-gateway.{place.namespace}.svc"
        self.topic = f"{place.namespace}.orders"

    def bus(self, **spec: Any) -> Resource:
        """Return the bus."""
        return scram_bus("main", self.kafka, **spec)[-1]

    def gateway(self) -> dict[str, Any]:
        """Return spec.gateway: it believes the issuer people, whose certificate is of a private authority."""
        people = {"name": "people", "issuer": self.issuers.issuer, "caSecretRef": {"name": "people-ca"}}
        return {"replicas": 1, "tls": {"secretRef": {"name": "certificate"}}, "oidc": [people]}

    def let_review(self) -> None:
        """Let the gateway have tokens reviewed, as its guide tells."""
        self.place.kubectl(
            "create", "clusterrolebinding", self.reviewer, f"--clusterrole={RELEASE}-token-reviewer",
            f"--serviceaccount={self.place.namespace}:main-gateway",
        )  # fmt: skip

    def until_gateway(self, status: str, reason: str) -> Mapping[str, str]:
        """Wait until GatewayReady is so; return it."""
        said = (status, reason)
        found = self.place.until(
            "EventBus",
            "main",
            lambda bus: tuple(condition(bus, "GatewayReady").get(each) for each in ("status", "reason")) == said,
            90,
        )
        return condition(found, "GatewayReady")

    def users(self) -> set[str]:
        """Name the users of Kafka of gateways of this namespace."""
        admin = AdminClient(self.kafka.client_config("SASL_PLAINTEXT"))  # whose end would be that of the request
        asked: Any = admin.describe_user_scram_credentials()
        known = asked.result(30)
        return {user for user in known if f".{self.place.namespace}." in user and user.endswith(".eventbus")}

    def token(self, account: str, audience: str = AUDIENCE) -> str:
        """Ask the API server for a token of a ServiceAccount."""
        return self.place.kubectl("create", "token", account, f"--audience={audience}", "--duration=10m").strip()

    def publish(self, token: str, event_id: str) -> tuple[int, dict[str, Any]]:
        """Publish an event through the Service; return status and body of the answer."""
        event = {"event_id": event_id, "event_type": "order.created", "source": "shop", "data": {"amount": 5}}
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = self._run(ASK, headers=headers, event=event)
        return answer["status"], answer["body"]

    def first_event(self, token: str) -> dict[str, Any]:
        """Read the first event of a stream from the beginning of the topic on."""
        headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
        found: dict[str, Any] = self._run(LISTEN, "?offset=earliest", headers=headers)
        return found

    def _run(self, program: str, query: str = "", **told: Any) -> Any:
        told |= {
            "url": f"https://{self.host}/v1/topics/{self.topic}/events{query}",
            "ca": self.authority.certificate.read_text(),
        }
        pod = ("exec", "--stdin", "deployment/main-gateway", "--namespace", self.place.namespace)
        feed = json.dumps(told).encode() + b"\n"
        return json.loads(self.place.cluster.kubectl(*pod, "--", "python3", "-c", program, feed=feed))

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
def issuers(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenIssuers]:
    """An issuer of OpenID Connect, where pods reach it."""
    with TokenIssuers(tmp_path_factory.mktemp("issuers"), cluster.gateway) as started:
        yield started


@pytest.fixture(scope="module")
def shop(
    namespaces: Namespaces, kafka: Kafka, issuers: TokenIssuers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """The gateway, with all its pods at work."""
    place = namespaces.make({"pod-security.kubernetes.io/enforce": "restricted"})
    folder: Path = tmp_path_factory.mktemp("authority")
    authority = Authority(folder)
    authority.create()
    made = Shop(place, authority, kafka, issuers)
    certificate, key = authority.issue("gateway", names=frozenset({made.host}))
    for account in ("web", "stranger"):
        place.kubectl("create", "serviceaccount", account)
    place.allow_secrets()
    place.allow_gateway()
    made.let_review()
    try:
        place.apply(*scram_bus("main", kafka), secret("certificate", {"tls.crt": certificate, "tls.key": key}))
        place.apply(secret("people-ca", {"ca.crt": issuers.authority.certificate.read_text()}))
        place.until_ready("main", "EventBus")
        callers = {
            "serviceAccounts": [{"name": "web"}],
            "oidcSubjects": [{"issuer": "people", "subject": "ada"}, {"issuer": "nobody", "subject": "eve"}],
        }
        place.apply(topic("orders", partitions=1), application("Publication", "web-shop", "orders", gateway=callers))
        place.until_ready("web-shop", "Publication")
        place.apply(made.bus(gateway=made.gateway()))
        made.until_gateway("True", "Ready")
        yield made
    finally:
        place.kubectl("delete", "clusterrolebinding", made.reviewer, "--ignore-not-found")


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


def test_somebody_of_an_issuer_publishes_as_far_as_named(shop: Shop, view: KafkaView) -> None:
    event = uuid.uuid4().hex
    status, body = shop.publish(shop.issuers.person("ada"), event)
    assert (status, body.get("topic")) == (200, shop.topic)
    published = {dict(each.headers() or [])["ce_id"]: dict(each.headers() or []) for each in view.read(shop.topic, 2)}
    assert published[event.encode()]["eventplane-caller"] == b"people:ada"
    assert shop.publish(shop.issuers.person("bob"), "no")[0] == 403
    assert shop.publish(shop.issuers.person("ada", audience="somebody-else"), "no")[0] == 401


def test_a_service_account_with_a_subscription_reads_a_stream(shop: Shop, view: KafkaView) -> None:
    """The gateway's user may read the topic, and has no right to any group."""
    readers = {"serviceAccounts": [{"name": "stranger"}]}
    shop.place.apply(application("Subscription", "auditors", "orders", gateway=readers))
    shop.place.until_ready("auditors", "Subscription")
    written = dict(view.read(shop.topic, 1)[0].headers() or [])
    token = shop.token("stranger")

    def first_event() -> dict[str, Any] | None:
        try:
            return shop.first_event(token)
        except CommandError as error:
            if "403" in str(error):  # the kubelet tells the pod of a grant within a minute
                return None
            raise

    found = until(first_event, "a stream", 90)
    assert found["id"].encode() == written["ce_id"]
    shop.place.remove("auditors", "Subscription")


def test_a_publication_says_which_issuer_nobody_knows(shop: Shop) -> None:
    found = shop.place.get("Publication", "web-shop")
    assert found is not None
    said = condition(found, "CallersKnown")
    assert (said["status"], said["reason"]) == ("False", "IssuerNotFound")
    assert "knows no issuer nobody" in said["message"]


def test_a_gateway_that_may_not_review_tokens_says_so_until_it_may(shop: Shop) -> None:
    shop.place.kubectl("delete", "clusterrolebinding", shop.reviewer)
    said = shop.until_gateway("False", "NotPermitted")
    assert f"its ServiceAccount {shop.place.namespace}/main-gateway" in said["message"]
    assert shop.publish(shop.issuers.person("ada"), uuid.uuid4().hex)[0] == 200
    shop.let_review()
    shop.until_gateway("True", "Ready")


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
    assert shop.users() == set()


def test_a_bus_that_is_deleted_takes_the_user_of_its_gateway_along(shop: Shop) -> None:
    shop.place.apply(shop.bus(gateway=shop.gateway()))
    until(shop.users, "its user is made")
    shop.place.remove("main", "EventBus")
    until(lambda: not shop.users(), "its user goes")
