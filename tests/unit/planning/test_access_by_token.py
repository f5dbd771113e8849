"""Access where Kafka knows everybody by tokens: what an application is told, and what its pods and KEDA get."""

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import BEARING, KAFKA, consumer, mapped_access, mapping_bus, publication, subscription, wanted_objects
from builders import event_topic as topic
from builders import settled as made

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.planning.access_desired import DesiredAccess, desire_access
from eventplane.planning.connection import AccessConnection, TokenSource
from eventplane.planning.plan import Refusal
from eventplane.planning.scaling import autoscaler
from eventplane.planning.workload_pod import own_credentials

BUS = mapping_bus("{{ namespace }}.{{ name }}", kind="OAUTHBEARER")
BARE = replace(BEARING, tokens=TokenSource("http://sso/token", client_id="operator", client_secret="operators-own"))  # noqa: S106
OWN: dict[str, Any] = {"credentials": {"oauth_secret_ref": {"name": "billing-sso"}}}
SINK: dict[str, Any] = {"sink": {"http": {"url": "http://billing"}}}
SCALED: dict[str, Any] = {"scaling": {"min": 1, "max": 3}}


def access(resource: Any, *, bare: bool = False) -> DesiredAccess:
    return mapped_access(resource, bus=BUS, connection=BARE if bare else BEARING)


def test_an_application_is_told_where_tokens_come_from_and_nothing_of_who_else_asks() -> None:
    desired = access(publication("web"))
    data = desired.secret_data("never")
    assert json.loads(data["librdkafka.json"]) == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://sso/token",
        "sasl.oauthbearer.scope": "kafka",
        "https.ca.pem": "SSO-CA\n",
    }
    told = {name: data[name] for name in ("oauthTokenEndpointUrl", "oauthScope", "oauth.ca.crt", "principal")}
    assert told == {
        "oauthTokenEndpointUrl": "https://sso/token",
        "oauthScope": "kafka",
        "oauth.ca.crt": "SSO-CA\n",
        "principal": "shop.web",
    }
    assert {"username", "user", "password"}.isdisjoint(data), "Kafka keeps no user for it"
    assert "operator" not in repr(data)
    assert not desired.has_password


def test_javas_clients_are_told_the_same_in_their_words() -> None:
    lines = access(publication("web")).secret_data("")["client.properties"].splitlines()
    package = "org.apache.kafka.common.security.oauthbearer"
    trust = r'ssl.truststore.type="PEM" ssl.truststore.certificates="SSO-CA\\n"'
    assert lines == [
        "bootstrap.servers=kafka:9092",
        f"sasl.jaas.config={package}.OAuthBearerLoginModule required {trust};",
        f"sasl.login.callback.handler.class={package}.OAuthBearerLoginCallbackHandler",
        "sasl.mechanism=OAUTHBEARER",
        "sasl.oauthbearer.scope=kafka",
        "sasl.oauthbearer.token.endpoint.url=https://sso/token",
        "security.protocol=SASL_SSL",
    ]


def test_what_the_owner_of_the_bus_leaves_out_nobody_is_told() -> None:
    data = access(publication("web"), bare=True).secret_data("")
    assert {"oauthScope", "oauth.ca.crt"}.isdisjoint(data)
    assert "OAuthBearerLoginModule required;" in data["client.properties"]
    assert {"https.ca.pem", "sasl.oauthbearer.scope"}.isdisjoint(json.loads(data["librdkafka.json"]))


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        pytest.param(
            subscription("billing", **SINK), "set credentials.oauthSecretRef", id="our consumer has no client id"
        ),
        pytest.param(subscription("billing", **SINK, **OWN), None, id="it has one"),
        pytest.param(consumer("billing"), None, id="containers of others may have their own"),
        pytest.param(publication("web"), None, id="so may producers"),
    ],
)
def test_who_needs_a_client_id(resource: Access, problem: str | None) -> None:
    found = desire_access(resource, BUS, AccessConnection(BEARING), {"orders": made(topic("orders"))}, "cluster")
    if problem is None:
        assert isinstance(found, DesiredAccess)
    else:
        assert isinstance(found, Refusal)
        assert (found.reason, problem in found.message) == (Reason.IDENTITY_NOT_SUPPORTED, True)


def test_a_bus_without_a_template_maps_nobody() -> None:
    bus = mapping_bus(None, kind="OAUTHBEARER")
    found = desire_access(publication("web"), bus, AccessConnection(BEARING), {"orders": made(topic("orders"))}, "c")
    assert isinstance(found, Refusal)
    assert "by PLAIN or by OAUTHBEARER" in found.message


def test_pods_have_client_id_and_secret_mounted() -> None:
    billing = subscription("billing", **SINK, **OWN)
    desired = access(billing)
    (deployment,) = (each for each in wanted_objects(billing, desired).manifests if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert {"name": "oauth", "secret": {"secretName": "billing-sso"}} in pod["volumes"]
    mount = {"name": "oauth", "mountPath": "/bindings/oauth", "readOnly": True}
    assert mount in pod["containers"][0]["volumeMounts"]


def test_only_where_kafka_knows_users_by_tokens() -> None:
    billing = subscription("billing", **SINK, **OWN)
    assert own_credentials(billing, access(billing)) == {"oauth": "billing-sso"}
    assert own_credentials(consumer(**OWN), mapped_access(consumer(**OWN))) == {}


def test_keda_gets_tokens_as_the_application_does() -> None:
    billing = consumer(**SCALED, **OWN)
    authentication, scaled = autoscaler(billing, access(billing), "billing-subscription", {"shop.orders": 3})
    secret = "billing-subscription"  # noqa: S105 - its name
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "oauthTokenEndpointUri", "name": secret, "key": "oauthTokenEndpointUrl"},
        {"parameter": "scopes", "name": secret, "key": "oauthScope"},
        {"parameter": "username", "name": "billing-sso", "key": "clientId"},
        {"parameter": "password", "name": "billing-sso", "key": "clientSecret"},
    ]
    assert scaled["spec"]["triggers"][0]["metadata"]["sasl"] == "oauthbearer"
    authentication, _ = autoscaler(billing, access(billing, bare=True), "billing-subscription", {"shop.orders": 3})
    assert [each["parameter"] for each in authentication["spec"]["secretTargetRef"]] == [
        "oauthTokenEndpointUri",
        "username",
        "password",
    ]


def test_a_connection_with_a_password_knows_no_tokens() -> None:
    assert KAFKA.tokens is None
    assert "operators-own" not in repr(BEARING)
    assert BEARING.protocol == "SASL_SSL"
