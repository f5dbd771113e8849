"""The rules by which the API server judges how a bus logs in, with cases that each of them rejects."""

from typing import Any

import pytest
from cel_expr_python import cel

from eventplane.api.crd import crd
from eventplane.api.event_bus import EventBus

LOGIN = {"secretRef": {"name": "login"}}
PLAIN_HTTP = {"tokenEndpointUrl": "http://sso/token"}
HTTPS = {"tokenEndpointUrl": "https://sso/token"}
CA = {"caSecretRef": {"name": "ca"}}


def _schema(*path: str) -> Any:
    found: Any = crd(EventBus)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for name in path:
        found = found["properties"][name]
    return found


def _refused(schema: Any, value: dict[str, Any]) -> list[str]:
    """Return the messages of the rules that a value breaks."""
    env = cel.NewEnv(variables={"self": cel.Type.DYN})
    rules = schema["x-kubernetes-validations"]
    return [each["message"] for each in rules if not env.compile(each["rule"]).eval(data={"self": value}).value()]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param({"type": "TLS"}, None, id="a certificate"),
        pytest.param({"type": "PLAIN", **LOGIN}, None, id="a password"),
        pytest.param({"type": "OAUTHBEARER", "oauth": PLAIN_HTTP, **LOGIN}, None, id="tokens"),
        pytest.param({"type": "PLAIN"}, "secretRef goes with every type but TLS", id="a password from nowhere"),
        pytest.param({"type": "TLS", **LOGIN}, "secretRef goes with every type but TLS", id="two identities"),
        pytest.param({"type": "OAUTHBEARER", "oauth": HTTPS}, "secretRef goes", id="tokens for nobody"),
        pytest.param({"type": "OAUTHBEARER", **LOGIN}, "oauth goes with type OAUTHBEARER", id="tokens from nowhere"),
        pytest.param(
            {"type": "PLAIN", "oauth": HTTPS, **LOGIN}, "oauth goes with type OAUTHBEARER", id="a password and tokens"
        ),
    ],
)
def test_how_a_bus_logs_in(value: dict[str, Any], words: str | None) -> None:
    refused = _refused(_schema("kafka", "authentication"), value)
    assert len(refused) == (words is not None)
    assert all(str(words) in each for each in refused)


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [(HTTPS | CA, True), (PLAIN_HTTP, True), (HTTPS, False), (PLAIN_HTTP | CA, False)],
)
def test_whom_to_trust_is_said_where_there_is_tls(value: dict[str, Any], is_taken: bool) -> None:  # noqa: FBT001
    assert (_refused(_schema("kafka", "authentication", "oauth"), value) == []) is is_taken


@pytest.mark.parametrize(
    ("kind", "is_taken"), [("TLS", True), ("PLAIN", True), ("OAUTHBEARER", True), ("SCRAM-SHA-512", False)]
)
def test_where_principals_may_be_mapped(kind: str, is_taken: bool) -> None:  # noqa: FBT001
    kafka = {"principals": {"template": "x"}, "authentication": {"type": kind}, "tls": {"certificateSecretRef": {}}}
    assert (_refused(_schema("kafka"), kafka) == []) is is_taken
