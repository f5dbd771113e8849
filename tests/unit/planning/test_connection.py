"""A bus and its Secrets, made a connection."""

from typing import Any

import pytest
from builders import event_bus, refusal

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.connection import (
    AccessConnection,
    KafkaConnection,
    RegistryConnection,
    SaslMechanism,
    Secrets,
    TokenSource,
    access_secret_names,
    connect,
    connect_access,
    connect_registry,
    no_login_for_applications,
    registry_secret_names,
    secret_names,
)
from eventplane.planning.plan import Refusal

PASSWORD = "hunter2"  # noqa: S105 - of nothing
LOGIN = {"username": "operator", "password": PASSWORD}
CA = {"ca.crt": "CA"}
PAIR = {"tls.crt": "CERT", "tls.key": "KEY"}


def bus(*, tls: object = None, authentication: object = None) -> EventBus:
    kafka = {"bootstrap_servers": ["kafka:9092"], "tls": tls, "authentication": authentication}
    return event_bus(kafka=kafka)


PLAINTEXT = bus()
SYSTEM_TRUST = bus(tls={})
OWN_CA = bus(tls={"ca_secret_ref": {"name": "ca"}})
OTHER_KEY = bus(tls={"ca_secret_ref": {"name": "ca", "key": "root.pem"}})
SCRAM = bus(tls={}, authentication={"type": "SCRAM-SHA-512", "secret_ref": {"name": "login"}})
PLAIN = bus(authentication={"type": "PLAIN", "secret_ref": {"name": "login"}})
MUTUAL = bus(
    tls={"ca_secret_ref": {"name": "ca"}, "certificate_secret_ref": {"name": "pair"}}, authentication={"type": "TLS"}
)
ONE_SECRET = bus(
    tls={"ca_secret_ref": {"name": "all"}}, authentication={"type": "SCRAM-SHA-256", "secret_ref": {"name": "all"}}
)
OAUTH = {"token_endpoint_url": "http://sso/token"}
TOKENS = bus(tls={}, authentication={"type": "OAUTHBEARER", "secret_ref": {"name": "sso"}, "oauth": OAUTH})
SCOPED = bus(
    authentication={
        "type": "OAUTHBEARER",
        "secret_ref": {"name": "sso"},
        "oauth": {
            "token_endpoint_url": "https://sso/token",
            "scope": "kafka",
            "ca_secret_ref": {"name": "sso-ca"},
        },
    },
)
CLIENT = {"clientId": "operator", "clientSecret": PASSWORD}
AT = ("kafka:9092",)


@pytest.mark.parametrize(
    ("of", "secrets", "expected"),
    [
        pytest.param(PLAINTEXT, {}, KafkaConnection(AT), id="plaintext"),
        pytest.param(SYSTEM_TRUST, {}, KafkaConnection(AT, tls=True), id="TLS with the system's trust"),
        pytest.param(OWN_CA, {"ca": CA}, KafkaConnection(AT, tls=True, ca_pem="CA"), id="TLS with a CA of its own"),
        pytest.param(
            OTHER_KEY, {"ca": {"root.pem": "R"}}, KafkaConnection(AT, tls=True, ca_pem="R"), id="CA under another key"
        ),
        pytest.param(
            SCRAM,
            {"login": LOGIN},
            KafkaConnection(AT, tls=True, mechanism="SCRAM-SHA-512", username="operator", password=PASSWORD),
            id="SCRAM over TLS",
        ),
        pytest.param(
            PLAIN,
            {"login": LOGIN},
            KafkaConnection(AT, mechanism="PLAIN", username="operator", password=PASSWORD),
            id="PLAIN",
        ),
        pytest.param(
            MUTUAL,
            {"ca": CA, "pair": PAIR},
            KafkaConnection(AT, tls=True, ca_pem="CA", certificate_pem="CERT", key_pem="KEY"),
            id="mutual TLS needs no mechanism",
        ),
        pytest.param(
            ONE_SECRET,
            {"all": LOGIN | CA},
            KafkaConnection(
                AT, tls=True, ca_pem="CA", mechanism="SCRAM-SHA-256", username="operator", password=PASSWORD
            ),
            id="one Secret for everything",
        ),
        pytest.param(
            TOKENS,
            {"sso": CLIENT},
            KafkaConnection(
                AT,
                tls=True,
                mechanism="OAUTHBEARER",
                tokens=TokenSource("http://sso/token", client_id="operator", client_secret=PASSWORD),
            ),
            id="tokens",
        ),
        pytest.param(
            SCOPED,
            {"sso": CLIENT, "sso-ca": CA},
            KafkaConnection(
                AT,
                mechanism="OAUTHBEARER",
                tokens=TokenSource("https://sso/token", "kafka", "CA", "operator", PASSWORD),
            ),
            id="tokens of a scope, from who is trusted",
        ),
    ],
)
def test_connect(of: EventBus, secrets: Secrets, expected: KafkaConnection) -> None:
    assert connect(of, secrets) == expected
    assert secret_names(of) == secrets.keys()


UNREADABLE = refusal(Reason.SECRET_NOT_READABLE, "allow the operator to read Secret shop/login")


@pytest.mark.parametrize(
    ("of", "secrets", "expected"),
    [
        pytest.param(SCRAM, {"login": UNREADABLE}, UNREADABLE, id="unreadable: said as it was said to us"),
        pytest.param(
            SCRAM,
            {"login": {"username": "operator"}},
            Refusal(Reason.SECRET_INVALID, "Secret shop/login has no password: add the key"),
            id="a key is missing",
        ),
        pytest.param(
            SCRAM,
            {"login": {"password": "", "other": "x"}},
            Refusal(Reason.SECRET_INVALID, "Secret shop/login has no username and no password: add the key"),
            id="an empty key is a missing one",
        ),
        pytest.param(
            OWN_CA,
            {"ca": {"tls.crt": "x"}},
            Refusal(Reason.SECRET_INVALID, "Secret shop/ca has no ca.crt: add the key"),
            id="no CA in it",
        ),
        pytest.param(
            MUTUAL,
            {"ca": CA, "pair": {"tls.crt": "CERT"}},
            Refusal(Reason.SECRET_INVALID, "Secret shop/pair has no tls.key: add the key"),
            id="a certificate without key",
        ),
        pytest.param(
            SCOPED,
            {"sso": LOGIN, "sso-ca": CA},
            Refusal(Reason.SECRET_INVALID, "Secret shop/sso has no clientId and no clientSecret: add the key"),
            id="a password is no client secret",
        ),
        pytest.param(
            SCOPED,
            {"sso": CLIENT, "sso-ca": {}},
            Refusal(Reason.SECRET_INVALID, "Secret shop/sso-ca has no ca.crt: add the key"),
            id="no CA of the token endpoint in it",
        ),
        pytest.param(MUTUAL, {"ca": CA, "pair": UNREADABLE}, UNREADABLE, id="the second one is unreadable"),
    ],
)
def test_connect_refused(of: EventBus, secrets: Secrets, expected: Refusal) -> None:
    assert connect(of, secrets) == expected


# --- registries

URL = "https://registry:8081"
BARE = event_bus(schema_registry={"url": f"{URL}/"})
GUARDED = event_bus(
    schema_registry={
        "url": URL,
        "tls": {"ca_secret_ref": {"name": "ca"}, "certificate_secret_ref": {"name": "pair"}},
        "authentication": {"secret_ref": {"name": "login"}},
    }
)


@pytest.mark.parametrize(
    ("of", "secrets", "expected"),
    [
        pytest.param(BARE, {}, RegistryConnection(URL), id="nothing asked, no slash at the end"),
        pytest.param(
            GUARDED,
            {"ca": CA, "pair": PAIR, "login": LOGIN},
            RegistryConnection(URL, "CA", "CERT", "KEY", "operator", PASSWORD),
            id="everything",
        ),
        pytest.param(
            GUARDED,
            {"ca": CA, "pair": PAIR, "login": {"username": "operator"}},
            Refusal(Reason.SECRET_INVALID, "Secret shop/login has no password: add the key"),
            id="a key is missing",
        ),
        pytest.param(
            event_bus(),
            {},
            Refusal(
                Reason.REGISTRY_NOT_CONFIGURED,
                "EventBus shop/main has no schema registry: its owner can name one in spec.schemaRegistry",
            ),
            id="none is named",
        ),
    ],
)
def test_connect_registry(of: EventBus, secrets: Secrets, expected: RegistryConnection | Refusal) -> None:
    assert connect_registry(of, secrets) == expected
    assert registry_secret_names(of) == secrets.keys()
    assert secret_names(of) == set(), "Kafka needs none of them"
    assert PASSWORD not in repr(connect_registry(of, secrets))


def test_rotated_secret_makes_another_connection() -> None:
    before, after = (connect(SCRAM, {"login": LOGIN | {"password": word}}) for word in ("old", "new"))
    assert before != after


def test_secrets_are_not_in_what_is_printed() -> None:
    printed = repr(connect(MUTUAL, {"ca": CA, "pair": PAIR})) + repr(connect(SCRAM, {"login": LOGIN}))
    printed += repr(connect(TOKENS, {"sso": CLIENT}))
    assert PASSWORD not in printed
    assert "KEY" not in printed


@pytest.mark.parametrize(
    ("tls", "mechanism", "expected"),
    [
        (False, None, "PLAINTEXT"),
        (True, None, "SSL"),
        (False, "SCRAM-SHA-512", "SASL_PLAINTEXT"),
        (True, "PLAIN", "SASL_SSL"),
    ],
)
def test_protocol(tls: bool, mechanism: SaslMechanism | None, expected: str) -> None:  # noqa: FBT001 - a row
    assert KafkaConnection(("kafka:9092",), tls=tls, mechanism=mechanism).protocol == expected


# --- what applications are given

OPERATORS = {"secret_ref": {"name": "registry-admin"}}
READERS = {"authentication": {"secret_ref": {"name": "readers"}}}
PAIRED = {"tls": {"ca_secret_ref": {"name": "other-ca"}, "certificate_secret_ref": {"name": "shared"}}}
READER = {"username": "reader", "password": "r"}
URL = "https://registry/api"


def with_registry(**registry: Any) -> EventBus:
    return event_bus(kafka={"bootstrap_servers": list(AT)}, schema_registry={"url": f"{URL}/", **registry})


@pytest.mark.parametrize(
    ("of", "secrets", "registry"),
    [
        pytest.param(PLAINTEXT, {}, None, id="the bus has no registry"),
        pytest.param(with_registry(), {}, RegistryConnection(URL), id="everybody may read"),
        pytest.param(
            with_registry(authentication=OPERATORS, tls={"ca_secret_ref": {"name": "ca"}}),
            {"ca": CA},
            RegistryConnection(URL, ca_pem="CA"),
            id="of the operator's own credentials nothing is passed on, and whom it trusts is public",
        ),
        pytest.param(
            with_registry(authentication=OPERATORS, applications={}), {}, RegistryConnection(URL), id="no password"
        ),
        pytest.param(
            with_registry(authentication=OPERATORS, applications=READERS, tls={"ca_secret_ref": {"name": "ca"}}),
            {"ca": CA, "readers": READER},
            RegistryConnection(URL, ca_pem="CA", username="reader", password="r"),  # noqa: S106 - of no server
            id="as a reader",
        ),
        pytest.param(
            with_registry(
                applications=PAIRED,
                tls={"ca_secret_ref": {"name": "ca"}, "certificate_secret_ref": {"name": "registry-admin"}},
            ),
            {"other-ca": {"ca.crt": "OTHER"}, "shared": PAIR},
            RegistryConnection(URL, ca_pem="OTHER", certificate_pem="CERT", key_pem="KEY"),
            id="with a certificate, and another trust than the operator's",
        ),
    ],
)
def test_connect_access(of: EventBus, secrets: Secrets, registry: RegistryConnection | None) -> None:
    assert access_secret_names(of) == secrets.keys()
    connection = connect_access(of, secrets)
    assert connection == AccessConnection(KafkaConnection(AT), registry)


@pytest.mark.parametrize(
    ("of", "secrets", "message"),
    [
        pytest.param(OWN_CA, {"ca": {}}, "has no ca.crt", id="Kafka comes first"),
        pytest.param(
            with_registry(applications=READERS), {"readers": {"username": "u"}}, "has no password", id="a key is absent"
        ),
        pytest.param(
            with_registry(applications=READERS),
            {"readers": READER | {"username": "a:b"}},
            "the username in Secret shop/readers has a colon",
            id="no user of HTTP basic authentication",
        ),
    ],
)
def test_what_is_in_the_way_of_applications(of: EventBus, secrets: Secrets, message: str) -> None:
    refused = connect_access(of, secrets)
    assert isinstance(refused, Refusal)
    assert refused.reason == Reason.SECRET_INVALID
    assert message in refused.message


@pytest.mark.parametrize(
    ("registry", "logs_in"),
    [
        ({}, False),
        ({"tls": {"ca_secret_ref": {"name": "ca"}}}, False),
        ({"authentication": OPERATORS}, True),
        ({"tls": {"certificate_secret_ref": {"name": "registry-admin"}}}, True),
    ],
)
def test_where_the_operator_logs_in_applications_may_have_to(registry: dict[str, Any], logs_in: bool) -> None:  # noqa: FBT001
    assert (no_login_for_applications(with_registry(**registry)) is not None) is logs_in
    assert no_login_for_applications(PLAINTEXT) is None
